// The API reference: `npm run docs` in the root. Warnings are errors, so every public name is documented.

import { readFileSync } from "node:fs";

const kernels = readFileSync(new URL("../../src/machine/kernels.ts", import.meta.url), "utf8");
const kernelNames = [...kernels.matchAll(/(?<!\*\/)\n {2}(\w+)\(/g)].map(([, name]) => name);

export default {
  name: "cria",
  entryPoints: [
    "../../src/index.ts",
    "../../src/gguf/index.ts",
    "../../src/tokenizer/index.ts",
    "../../src/quantize/index.ts",
    "../../src/lab/index.ts",
    "../../src/lab/kernels/index.ts",
    "../../src/adapters/ai-sdk/index.ts",
    "../../src/adapters/langchain/index.ts",
    "../../src/adapters/bullmq/index.ts",
    "../../src/adapters/openai/index.ts",
  ],
  tsconfig: "../../tsconfig.build.json",
  out: "../../build/api",
  readme: "none",
  excludePrivate: true,
  excludeExternals: true,
  validation: {
    notDocumented: true,
  },
  requiredToBeDocumented: ["Class", "Function", "Interface", "TypeAlias", "Variable", "Method", "Accessor", "Enum"],
  treatWarningsAsErrors: true,
  intentionallyNotExported: [
    "src/grammar/json-schema/schema-value.ts:ValueOf",
    "src/grammar/json-schema/standard-schema.ts:ValidationResult",
    "src/gguf/values.ts:scalarTypes",
    "src/gguf/tensor-types.ts:rows",
    "src/sampling/samplers/table.ts:samplers",
    "src/lab/kernels/formats.ts:activationKinds",
    "src/quantize/file-types.ts:rows",
  ],
  // assembly/ documents each kernel.
  intentionallyNotDocumented: kernelNames.map((name) => `lab/kernels.Kernels.${name}`),
};
