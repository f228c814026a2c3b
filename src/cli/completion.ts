// cria completion: what a shell completes, made of the table that --help is made of.

import { checkChoice } from "../options.js";
import { type Command, type CommandTable, command, type Option } from "./command.js";
import { commonOptions } from "./common-options.js";
import { UsageError } from "./failure.js";

const shells = ["bash", "zsh", "fish"] as const;

/** A command with all its options. */
interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  /** What its argument may be; undefined: files. */
  readonly words: readonly string[] | undefined;
}

export const completion = command({
  usage: shells.join(" | "),
  about: `Prints what a shell needs to complete cria's commands, options and their values.

  bash  source <(cria completion bash), in ~/.bashrc
  zsh   source <(cria completion zsh), in ~/.zshrc behind compinit
  fish  cria completion fish > ~/.config/fish/completions/cria.fish`,
  options: {},
  words: shells,
  async run(_, positionals, all) {
    const [shell] = positionals;
    if (shell === undefined || positionals.length > 1)
      throw new UsageError(`completion takes one of ${shells.join(", ")}`);
    const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[checkChoice("the shell", shell, shells)];
    process.stdout.write(script(await completedCommands(all)));
  },
});

async function completedCommands(all: CommandTable): Promise<readonly Completed[]> {
  const rows = Object.entries(all).map(async ([name, { summary, load }]): Promise<Completed> => {
    const { options, words }: Command = await load();
    return { name, summary, words, options: Object.values({ ...options, ...commonOptions }) };
  });
  const help = { name: "help", summary: "the options of a command", words: Object.keys(all), options: [] };
  return [...(await Promise.all(rows)), help];
}

/** Whether a value is the name of a file or a folder. */
const isFile = ({ value = "" }: Option) => /FILE|ROOT|FOLDER|PATH/.test(value);
/** The first line of its help. */
const about = ({ help }: Option) => help.split("\n")[0]!;
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function bashScript(commands: readonly Completed[]): string {
  const caseOf = ({ name, options, words }: Completed) => {
    const valued = options.filter(({ type }) => type !== "boolean");
    const values = valued.map((option) => {
      const { flags, choices } = option;
      // An empty answer means files (-o default), unless that is taken back.
      const answer =
        choices !== undefined
          ? `COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$word"))`
          : isFile(option)
            ? ":"
            : "compopt +o default 2>/dev/null";
      return `      ${flags.join("|")}) ${answer}; return ;;`;
    });
    const flags = options.flatMap((option) => option.flags).join(" ");
    return [
      `  ${name})`,
      ...(values.length === 0 ? [] : ['    case "$before" in', ...values, "    esac"]),
      `    flags=${quoted(flags)}`,
      ...(words === undefined ? [] : [`    words=${quoted(words.join(" "))}`]),
      "    ;;",
    ];
  };
  const names = commands.map(({ name }) => name).join(" ");
  return `${[
    "# bash: source <(cria completion bash)",
    "_cria() {",
    `  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" flags="" words=""`,
    "  COMPREPLY=()",
    "  if ((COMP_CWORD == 1)); then",
    `    COMPREPLY=($(compgen -W ${quoted(`${names} --help --version`)} -- "$word"))`,
    "    return",
    "  fi",
    `  case "\${COMP_WORDS[1]}" in`,
    ...commands.flatMap(caseOf),
    "  esac",
    `  if [[ "$word" == -* ]]; then`,
    `    COMPREPLY=($(compgen -W "$flags" -- "$word"))`,
    `  elif [[ -n "$words" ]]; then`,
    `    COMPREPLY=($(compgen -W "$words" -- "$word"))`,
    "  fi",
    "}",
    "complete -o default -F _cria cria",
  ].join("\n")}\n`;
}

function zshScript(commands: readonly Completed[]): string {
  const specOf = (option: Option) => {
    const { flags, type, value, choices } = option;
    const action = choices !== undefined ? `(${choices.join(" ")})` : isFile(option) ? "_files" : " ";
    const behind = type === "boolean" ? "" : `:${(value ?? "VALUE").replaceAll(":", "\\:")}:${action}`;
    const text = quoted(`[${about(option).replace(/[[\]\\]/g, "\\$&")}]${behind}`);
    // An option that may be given once excludes its other spellings.
    const before = type === "list" ? "'*'" : quoted(`(${flags.join(" ")})`);
    return `      ${before}${flags.length === 1 ? flags[0] : `{${flags.join(",")}}`}${text}`;
  };
  const caseOf = ({ name, options, words }: Completed) => [
    `    ${name})`,
    "      _arguments \\",
    ...options.map((option) => `${specOf(option)} \\`),
    `      ${words === undefined ? "'*:file:_files'" : quoted(`1:word:(${words.join(" ")})`)}`,
    "      ;;",
  ];
  const described = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(":", "\\:")}`)}`);
  return `${[
    "#compdef cria",
    "# zsh: source <(cria completion zsh), behind compinit",
    "_cria() {",
    "  local -a commands",
    "  commands=(",
    ...described,
    "  )",
    "  if ((CURRENT == 2)); then",
    "    _describe command commands",
    "    return",
    "  fi",
    "  shift words",
    "  ((CURRENT--))",
    "  case $words[1] in",
    ...commands.flatMap(caseOf),
    "  esac",
    "}",
    // As a file of fpath it is the function's body; sourced, it has to register.
    `if [[ $funcstack[1] == _cria ]]; then _cria "$@"; else compdef _cria cria; fi`,
  ].join("\n")}\n`;
}

function fishScript(commands: readonly Completed[]): string {
  const text = (of: string) => `'${of.replace(/['\\]/g, "\\$&")}'`;
  const flagOf = (flag: string) => {
    if (flag.startsWith("--")) return `-l ${flag.slice(2)}`;
    return flag.length === 2 ? `-s ${flag.slice(1)}` : `-o ${flag.slice(1)}`;
  };
  const lineOf = (name: string, option: Option) => {
    const { flags, type, choices } = option;
    const value =
      type === "boolean"
        ? ""
        : choices !== undefined
          ? ` -x -a ${text(choices.join(" "))}`
          : isFile(option)
            ? " -r -F"
            : " -x";
    const seen = text(`__fish_seen_subcommand_from ${name}`);
    return `complete -c cria -n ${seen} ${flags.map(flagOf).join(" ")}${value} -d ${text(about(option))}`;
  };
  return `${[
    "# fish: cria completion fish > ~/.config/fish/completions/cria.fish",
    "complete -c cria -f",
    ...commands.flatMap(({ name, summary, options, words }) => [
      `complete -c cria -n __fish_use_subcommand -a ${name} -d ${text(summary)}`,
      `complete -c cria -n ${text(`__fish_seen_subcommand_from ${name}`)} ${words === undefined ? "-F" : `-a ${text(words.join(" "))}`}`,
      ...options.map((option) => lineOf(name, option)),
    ]),
  ].join("\n")}\n`;
}
