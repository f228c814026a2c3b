// What a command is. A new one is one file that exports `command({...})`, and one row in commands.ts:
//
//   usage, about, options   what `cria NAME --help` prints, and what the arguments are checked against
//   run                     does the work; `values` are typed after `options`. What it throws becomes one line on stderr and the exit
//                           code (failure.ts): UsageError 2, Interrupted 130, all else 1. Returning is 0.
//
// Output goes to stdout, everything else to stderr. Commands that load a model spread `modelOptions` into their options and call
// `withModel` (model-options.ts); number options are only parsed here, the library checks their ranges.

/** One option. */
export interface Option {
  /** Every spelling, with its dashes, llama.cpp's where it has one: "-c", "-ctk", "--ctx-size". One at least is a long name. */
  readonly flags: readonly string[];
  /** list: may be given several times. */
  readonly type: "string" | "number" | "boolean" | "list";
  /** What help calls the value, such as "N" or "FILE"; a boolean has none. */
  readonly value?: string;
  /** All values that it may have, where they are few: shells complete them. */
  readonly choices?: readonly string[];
  /** What help says about it, with its default. */
  readonly help: string;
}

/** Options by the name that `values` has them under. */
export type OptionTable = Readonly<Record<string, Option>>;

type ValueTypes = { string: string; number: number; boolean: boolean; list: readonly string[] };

/** The values of the options that were given. */
export type OptionValues<Options extends OptionTable> = {
  readonly [Name in keyof Options]?: ValueTypes[Options[Name]["type"]];
};

export interface Command<Options extends OptionTable = OptionTable> {
  /** What follows `cria NAME` in the first line of its help, such as `[options] "prompt"`. */
  readonly usage: string;
  /** What the command does: paragraphs, which help wraps at the terminal's width; an indented line stays a line. */
  readonly about: string;
  readonly options: Options;
  /** Whether its argument may be a model. Elsewhere a model is named with -m, and an argument that is one is a mistake. */
  readonly takesModel?: boolean;
  /** All that its argument may be, where that is not a text or a file: shells complete it. */
  readonly words?: readonly string[];
  /** `all`: the table of commands, for those that tell about them. */
  run(values: OptionValues<Options>, positionals: readonly string[], all: CommandTable): Promise<void>;
}

/** The commands by their names. */
export type CommandTable = Readonly<Record<string, CommandRow>>;

export interface CommandRow {
  /** What the list of commands says about it. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** A command, with the types of its values taken from its options. */
export function command<const Options extends OptionTable>(definition: Command<Options>): Command {
  return definition as Command;
}
