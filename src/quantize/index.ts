// `cria/quantize`: makes smaller models.

export { type FileType, type FileTypeName, fileTypes, type Mixture, quantizedType } from "./file-types.js";
export { type QuantizeOptions, type QuantizeSummary, quantizeModel } from "./quantize-model.js";
