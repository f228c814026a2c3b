// Stop strings against a search in the whole text, split at random places.

import { describe, expect, it } from "vitest";
import { StopStrings } from "../../dist/api/text/stop-strings.js";
import fc from "../support/fast-check.js";

/** The text before the stop string whose end comes first (of several the longest), by looking everywhere. */
function reference(stops: readonly string[], text: string): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const matches = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (matches.length === 0) continue;
    return { text: text.slice(0, end - Math.max(...matches.map((stop) => stop.length))), stopped: true };
  }
  return { text, stopped: false };
}

function stream(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean } {
  const filter = new StopStrings(stops);
  let text = "";
  for (const piece of pieces) {
    const result = filter.push(piece);
    text += result.text;
    if (result.stopped) return { text, stopped: true };
  }
  return { text: text + filter.end(), stopped: false };
}

// Two letters, so that stops overlap each other and themselves all the time; an emoji for surrogate pairs.
const letters = fc.constantFrom("a", "b", "😀");
const word = (minLength: number, maxLength: number) =>
  fc.array(letters, { minLength, maxLength }).map((parts) => parts.join(""));

describe("StopStrings", () => {
  it("cuts as a search in the whole text does, wherever the pieces end", () => {
    fc.assert(
      fc.property(fc.array(word(1, 6), { maxLength: 4 }), fc.array(word(0, 5), { maxLength: 12 }), (stops, pieces) => {
        expect(stream(stops, pieces)).toEqual(reference(stops, pieces.join("")));
      }),
      { numRuns: 3000 },
    );
  });

  it("holds back exactly the longest end of the text that begins a stop string", () => {
    fc.assert(
      fc.property(
        fc.array(word(1, 6), { minLength: 1, maxLength: 3 }),
        fc.array(word(0, 4), { maxLength: 8 }),
        (stops, pieces) => {
          const filter = new StopStrings(stops);
          let seen = "";
          let given = "";
          for (const piece of pieces) {
            seen += piece;
            const { text, stopped } = filter.push(piece);
            given += text;
            if (stopped) return;
            let held = 0;
            for (let n = 1; n <= seen.length; n++) {
              if (stops.some((stop) => stop.length > n && stop.startsWith(seen.slice(-n)))) held = n;
            }
            expect(given).toBe(seen.slice(0, seen.length - held));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("finds a stop string inside the beginning of a longer one", () => {
    expect(stream(["abcd", "bc"], ["a", "b", "c", "d"])).toEqual({ text: "a", stopped: true });
    expect(stream(["aab"], ["aa", "ab", "!"])).toEqual({ text: "a", stopped: true });
    expect(stream(["\nUser:"], ["Hi\nUs", "e", "d\n", "User", ": x"])).toEqual({ text: "Hi\nUsed", stopped: true });
  });

  it("gives nothing more once stopped", () => {
    const filter = new StopStrings(["."]);
    expect(filter.push("One. Two")).toEqual({ text: "One", stopped: true });
    expect(filter.push("Three")).toEqual({ text: "", stopped: true });
    expect(filter.end()).toBe("");
  });

  it("passes everything at once where there are no stop strings", () => {
    expect(new StopStrings([]).push("text")).toEqual({ text: "text", stopped: false });
  });

  it("takes linear time where naive search is quadratic", () => {
    const stop = `${"a".repeat(20_000)}b`;
    const filter = new StopStrings([stop]);
    let length = 0;
    for (let i = 0; i < 200_000; i++) length += filter.push("a").text.length;
    expect(length).toBe(200_000 - 20_000);
    expect(filter.push("b")).toEqual({ text: "", stopped: true });
  });

  it.each([[""], ["\ud83d"], [7 as unknown as string]])("refuses %o", (stop) => {
    const error = expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining("stop[1]") });
    expect(() => new StopStrings(["ok", stop])).toThrow(error);
  });
});
