// `cria/quantize`: makes smaller models.

export {
  type FileType,
  type FileTypeName,
  fileTypes,
  type LayerRule,
  type Mixture,
  type MixtureModel,
  quantizedType,
} from "./file-types.js";
export { type QuantizeFallback, type QuantizeOptions, type QuantizeSummary, quantizeModel } from "./quantize-model.js";
