// `cria/gguf`: reads and writes GGUF model files.

export { FileError, GgufError, printable } from "../errors.js";
export type { GgufInput } from "./encode-values.js";
export type { HeaderTensor } from "./header.js";
export { type GgufEntry, GgufMetadata } from "./metadata.js";
export {
  type Gguf,
  type GgufPart,
  type GgufTensor,
  type OpenGgufOptions,
  openGguf,
} from "./open.js";
export type { GgufSource } from "./source.js";
export { StringTable } from "./string-table.js";
export {
  removedTensorTypes,
  type TensorType,
  type TensorTypeName,
  tensorBytes,
  tensorTypeById,
  tensorTypeByName,
  tensorTypes,
} from "./tensor-types.js";
export type { GgufArray, GgufInnerArray, GgufNumericArray, GgufScalarType, GgufType, GgufValue } from "./values.js";
export { GgufWriter, type TensorData } from "./writer.js";
