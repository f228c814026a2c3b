// The demo model with chat templates that know tools, in the manner of both families. It says nothing of sense; what it calls is valid all
// the same, by the grammar.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadModel, type Model } from "cria";
import { GgufWriter, openGguf } from "cria/gguf";

const header = (role: string) => `{{- '<|start_header_id|>' + ${role} + '<|end_header_id|>\n\n' }}`;
const end = "{{- '<|eot_id|>' }}";
const begin = (teaches: string) =>
  `{{- bos_token }}{%- if tools %}${header("'system'")}{{- '${teaches}' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}${end}{%- endif %}`;
const answer = `{%- if add_generation_prompt %}${header("'assistant'")}{%- endif %}`;

/** Each with the notation that it teaches, and the role in which it shows results. */
export const toolTemplates = {
  /** Calls in tags, several if need be; results are the user's. */
  hermes:
    begin("Call as <tool_call>{...}</tool_call>: ") +
    `{%- for message in messages %}` +
    `{%- if message.role == 'tool' %}${header("'user'")}{{- '<tool_response>' + message.content + '</tool_response>' }}` +
    `{%- else %}${header("message.role")}{{- message.content }}` +
    `{%- for call in message.tool_calls or [] %}{{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}` +
    `{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}{%- endfor %}{%- endif %}${end}{%- endfor %}${answer}`,
  /** A call is the whole answer; results have a role of their own. */
  llama3:
    begin('Call as {"name": ..., "parameters": {...}}: ') +
    `{%- for message in messages %}` +
    `{%- if message.role == 'tool' %}${header("'ipython'")}{{- message.content }}` +
    `{%- elif 'tool_calls' in message %}{%- if message.tool_calls | length != 1 %}{{- raise_exception('one call at a time') }}{%- endif %}` +
    `${header("'assistant'")}{%- set call = message.tool_calls[0].function %}` +
    `{{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- '}' }}` +
    `{%- else %}${header("message.role")}{{- message.content }}{%- endif %}${end}{%- endfor %}${answer}`,
} as const;

/** Of the demo model's vocabulary: after the bytes come the results of the merges, in order. */
const BYTES = 256;
const CONTROL = 3;

export interface FileChanges {
  /** Texts that become control tokens, in the place of the last merges. */
  readonly controls?: readonly string[];
  /** More of the file's metadata. */
  readonly others?: Readonly<Record<string, string>>;
}

/** The demo model with this template in the place of its own, and room for long prompts. */
export async function modelWithTemplate(template: string, changes: FileChanges = {}): Promise<Model> {
  return loadModel(await fileWithTemplate(template, changes), { threads: 1, sequences: 2, contextSize: 4096 });
}

/** The file of that model. */
export async function fileWithTemplate(
  template: string,
  { controls = [], others = {} }: FileChanges = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const demo = fileURLToPath(new URL("../../models/cria-demo-Q4_K_S.gguf", import.meta.url));
  const gguf = await openGguf(new Uint8Array(readFileSync(demo)));
  const writer = new GgufWriter();
  for (const [key, value] of gguf.metadata) writer.set(key, gguf.metadata.typeOf(key)!, value);
  writer.set("tokenizer.chat_template", "string", template).set("llama.context_length", "uint32", 8192);
  for (const [key, value] of Object.entries(others)) writer.set(key, "string", value);
  if (controls.length > 0) {
    const [tokens, merges] = ["tokens", "merges"].map((name) => [
      ...(gguf.metadata.get(`tokenizer.ggml.${name}`) as Iterable<string>),
    ]) as [string[], string[]];
    const types = Int32Array.from(gguf.metadata.get("tokenizer.ggml.token_type") as Int32Array);
    merges.length -= controls.length;
    for (const [i, text] of controls.entries()) {
      tokens[BYTES + merges.length + i] = text;
      types[BYTES + merges.length + i] = CONTROL;
    }
    writer.set("tokenizer.ggml.tokens", "string[]", tokens).set("tokenizer.ggml.merges", "string[]", merges);
    writer.set("tokenizer.ggml.token_type", "int32[]", types);
  }
  const data = new Map<string, Uint8Array>();
  for (const tensor of gguf.tensors) {
    writer.addTensor(tensor.name, tensor.type, tensor.shape);
    data.set(tensor.name, await gguf.readTensor(tensor));
  }
  return writer.toBytes(data);
}
