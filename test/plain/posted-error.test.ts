// Errors on their way between threads: every class arrives as itself, with its code and whatever else it says.

import { describe, expect, it } from "vitest";
import * as errors from "../../dist/errors.js";
import { posted, received } from "../../dist/posted-error.js";

const classes = Object.entries<unknown>(errors).filter(([, value]) => {
  return typeof value === "function" && (value === errors.CriaError || value.prototype instanceof errors.CriaError);
}) as [string, new (code: string, message: string, more?: object) => errors.CriaError][];

describe("an error that is posted", () => {
  it("has one of many classes", () => {
    expect(classes.length).toBeGreaterThan(9);
  });

  it.each(classes)("%s", (name, Class) => {
    const error = new Class("A_CODE", "a message", {
      cause: new Error("why"),
      offset: 5,
      subject: "x",
      status: 404,
      path: "p",
    });
    const again = received(structuredClone(posted(error)));
    expect(again).toBeInstanceOf(Class);
    expect([again.constructor, again.name]).toEqual([Class, name]);
    const { stack: _, ...seen } = { ...error, message: error.message };
    expect({ ...again, message: again.message }).toEqual(seen);
  });

  it("of a class that only one side knows arrives as the base class", () => {
    expect(received({ class: "NewError", code: "A_CODE", message: "m", details: {} })).toMatchObject({
      code: "A_CODE",
    });
  });
});
