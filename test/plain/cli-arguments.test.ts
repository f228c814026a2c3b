// The flags of the command line: what is taken, and the one line about what is not. People come from llama.cpp.

import { describe, expect, it } from "vitest";
import { parseArguments } from "../../dist/cli/arguments.js";
import { commands } from "../../dist/cli/commands.js";
import { UsageError } from "../../dist/cli/failure.js";
import { foreignFlags } from "../../dist/cli/foreign-flags.js";

const { options } = await commands["run"]!.load();
const refusal = (args: readonly string[], table = options) => {
  try {
    return `taken: ${JSON.stringify(parseArguments(args, table))}`;
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
};

describe("flags of llama.cpp's that cria does not have get one line", () => {
  it.each([
    [["-fa", "on"], "-fa is a flag of llama.cpp's; cria's attention always works that way: leave it out"],
    [["-fa=on"], "-fa is a flag of llama.cpp's; cria's attention always works that way: leave it out"],
    [["--flash-attn"], "--flash-attn is a flag of llama.cpp's; cria's attention always works that way: leave it out"],
    [["-ngl", "99"], "-ngl is a flag of llama.cpp's; cria computes on the CPU: leave it out"],
    [["-ngl99"], "-ngl is a flag of llama.cpp's; cria computes on the CPU: leave it out"],
    [["--n-gpu-layers=99"], "--n-gpu-layers is a flag of llama.cpp's; cria computes on the CPU: leave it out"],
    [["-b512"], "-b is a flag of llama.cpp's; cria decides itself how many tokens a step has: leave it out"],
    [["-ctvq8_0"], "-ctv is a flag of llama.cpp's; -ctk sets the type of keys and values"],
    [
      ["-p", "hi", "-np", "4"],
      "-np is a flag of llama.cpp's; one command has one sequence: programs set sequences in loadModel's options",
    ],
    [["-cnv"], "-cnv is a flag of llama.cpp's; cria chat is the conversation, cria run continues a text: leave it out"],
  ])("%j", (args, message) => {
    expect(refusal(args)).toBe(message);
  });

  it("each of them, by itself and with a number on it, in every command that does not have it", async () => {
    for (const { load } of Object.values(commands)) {
      const { options: table } = await load();
      const own = Object.values(table).flatMap(({ flags }) => flags);
      for (const flag of foreignFlags.filter((one) => !own.includes(one))) {
        const line = `${flag} is a flag of llama.cpp's; `;
        for (const args of [[flag], [flag, "8"], [`${flag}=8`]]) {
          expect(refusal(args, table).startsWith(line), `${args.join(" ")}: ${refusal(args, table)}`).toBe(true);
          expect(refusal(args, table)).not.toContain("\n");
        }
      }
    }
  });
});

describe("flags of cria's", () => {
  it.each<[string[], object, string[]]>([
    [["-t8", "-c4096", "-n-1", "hi"], { threads: 8, contextSize: 4096, predict: -1 }, ["hi"]],
    [["--temp=0", "-n", "-1"], { "sampling.temperature": 0, predict: -1 }, []],
    [["-p", "-fa on", "-m", "-ngl"], { prompt: "-fa on", model: "-ngl" }, []],
    [["--prompt=-fa", "-hf", "user/repo"], { prompt: "-fa", hubRepo: "user/repo" }, []],
    [["--", "-fa", "-ngl99"], {}, ["-fa", "-ngl99"]],
    [["-"], {}, ["-"]],
  ])("%j are taken", (args, values, positionals) => {
    expect(parseArguments(args, options)).toEqual({ values, positionals });
  });

  it.each([
    [["-tb8"], "unknown option -tb8; a value is a word of its own: -tb 8"],
    [["-ctkq8_0"], "unknown option -ctkq8_0; a value is a word of its own: -ctk q8_0"],
    [["-hfuser/repo"], "unknown option -hfuser/repo; a value is a word of its own: -hf user/repo"],
    [["-mmodel.gguf"], "unknown option -mmodel.gguf; a value is a word of its own: -m model.gguf"],
    [["-n=5"], "unknown option -n=5; a value is a word of its own: -n 5"],
    [["--temp0.5"], "unknown option --temp0.5; a value is a word of its own: --temp 0.5"],
    [["-temp", "0.5"], "unknown option -temp; did you mean --temp?"],
    [["-prompt", "hi"], "unknown option -prompt; did you mean --prompt?"],
    [["--ctx_size", "5"], "unknown option --ctx_size; did you mean --ctx-size?"],
    [["-x"], "unknown option -x"],
    [["-nfoo"], "unknown option -nfoo"],
    [["-m"], "-m needs a value"],
  ])("%j are not", (args, message) => {
    expect(refusal(args)).toBe(message);
  });
});
