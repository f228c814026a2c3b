import { encoderKeys, type OracleCases } from "./case.js";

export const cases: OracleCases = {
  mean: {
    encoder: true,
    keys: encoderKeys,
    has: (name) => !name.startsWith("cls"),
    bar: 1e-3, // llama.cpp takes GELU from a table in f16
  },
};
