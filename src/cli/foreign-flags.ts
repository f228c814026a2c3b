// llama.cpp's flags that cria does not have: what to do instead. Commands that have one of them keep their own.

const gpu = "cria computes on the CPU: leave it out";
const memory = "cria reads the weights into memory once: leave it out";
const steps = "cria decides itself how many tokens a step has: leave it out";
const file = "cria takes it from the model's file: leave it out";
const pinning = "workers are pinned with --pin";
const talk = "cria chat is the conversation, cria run continues a text: leave it out";
const server = "cria serve is the server";
const logs = "cria prints the timings only: leave it out";
const none = "cria does not do that";

const rows: readonly (readonly [flags: string, instead: string])[] = [
  ["-ngl --gpu-layers --n-gpu-layers -mg --main-gpu -sm --split-mode -ts --tensor-split -dev --device", gpu],
  ["-ot --override-tensor -cmoe --cpu-moe -ncmoe --n-cpu-moe -nkvo --no-kv-offload --no-op-offload -fit --fit", gpu],
  ["-fa --flash-attn", "cria's attention always works that way: leave it out"],
  ["-ctv --cache-type-v", "-ctk sets the type of keys and values"],
  ["--mlock --mmap --no-mmap -dio --direct-io --no-direct-io --no-host -nr --no-repack --check-tensors", memory],
  ["-b --batch-size -cb --cont-batching --no-cont-batching -kvu --kv-unified", steps],
  ["-np --parallel", "one command has one sequence: programs set sequences in loadModel's options"],
  ["-C --cpu-mask -Cr --cpu-range --cpu-strict -Cb --cpu-mask-batch --cpu-range-batch", pinning],
  ["--numa", "workers are pinned to a NUMA node with --pin node:N"],
  ["--prio --prio-batch --poll --poll-batch", "the system schedules cria's workers: leave it out"],
  ["-mu --model-url", "-m takes a URL as well"],
  ["-hff --hf-file", "-m hf:USER/REPO/FILE names the file"],
  ["-hft --hf-token", "the token is taken from the environment: HF_TOKEN"],
  ["--rope-scaling --rope-scale --rope-freq-base --rope-freq-scale --yarn-orig-ctx --yarn-ext-factor", file],
  ["--yarn-attn-factor --yarn-beta-fast --yarn-beta-slow --override-kv --jinja --chat-template", file],
  ["--chat-template-file --pooling --spm-infill", file],
  ["-i --interactive --interactive-first -if -cnv --conversation -no-cnv --no-conversation -st --single-turn", talk],
  ["-sys --system-prompt -sysf --system-prompt-file", "cria chat takes a system message"],
  ["-e --escape --no-escape", "the shell writes escapes: $'line\\nline'"],
  ["-co", "--color auto, always or never colours the output"],
  ["-v --verbose --log-disable --log-file --log-verbosity -lv --perf --no-perf --simple-io", logs],
  ["--verbose-prompt --no-display-prompt --show-timings --no-show-timings", logs],
  ["--warmup --no-warmup", "only cria bench warms up: leave it out"],
  ["--host --port --api-key --path --slots --metrics --props", server],
  [
    "--temperature --temp --top-k --top-p --min-p -n --predict --n-predict",
    "this command generates no text: leave it out",
  ],
  ["-p --prompt", "this command takes no prompt"],
  ["-s --seed", "this command is not random: leave it out"],
  ["-f --file", "this command reads no text"],
  ["-m --model", "the model is an argument of this command"],
  ["-hf -hfr --hf-repo", "hf:USER/REPO names that model, behind -m or as the argument"],
  [
    "-c --ctx-size -tb --threads-batch -ctk --cache-type-k -ub --ubatch-size",
    "this command has no context: leave it out",
  ],
  ["--keep --ignore-eos -l --logit-bias -bs --backend-sampling --sampling-seq --sampler-seq", none],
  ["--lora", "this command takes no adapters"],
  ["--lora-scaled", "--lora FILE=SCALE scales it"],
  ["--control-vector -mm --mmproj --image --audio", none],
  ["-md --model-draft --draft", "cria run, chat and serve take a draft model"],
  ["--draft-max --draft-min --draft-n --draft-p-min", "cria measures how many guesses pay: leave it out"],
  ["--reasoning-format --reasoning-budget --context-shift --no-context-shift --prompt-cache", none],
];

const insteadOf = new Map(rows.flatMap(([flags, instead]) => flags.split(" ").map((flag) => [flag, instead] as const)));

/** All of them. */
export const foreignFlags: readonly string[] = [...insteadOf.keys()];

/** What a value that is written onto its flag looks like: -ngl99, -fa=on, -ctvq8_0. */
const GLUED = /^(=|-?\d|(on|off|auto|all|[a-z]+\d\w*)$)/;

/** The line about a flag of llama.cpp's, alone or with its value on it; undefined for all else. `known` are the command's own flags. */
export function foreignFlag(arg: string, known: Iterable<string>): string | undefined {
  const flag = insteadOf.has(arg) ? arg : prefixOf(arg, [...known]);
  return flag === undefined ? undefined : `${flag} is a flag of llama.cpp's; ${insteadOf.get(flag)}`;
}

/** The longest flag that an argument begins with, if what stands behind it may be a value, and if it is not the command's. */
function prefixOf(arg: string, known: readonly string[]): string | undefined {
  const flags = [...foreignFlags, ...known].filter((flag) => arg.startsWith(flag));
  const longest = flags.toSorted((a, b) => b.length - a.length)[0];
  if (longest === undefined || known.includes(longest)) return undefined;
  // A name of one letter with a word behind it may be any mistake.
  const rest = arg.slice(longest.length);
  return (longest.length > 2 ? GLUED : /^=?-?\d/).test(rest) ? longest : undefined;
}
