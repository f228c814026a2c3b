// The samplers, in the order in which they work by default.

import type { SamplerDefinition } from "./definition.js";
import { dry } from "./dry.js";
import { minP } from "./min-p.js";
import { penalties } from "./penalties.js";
import { temperature } from "./temperature.js";
import { topK } from "./top-k.js";
import { topNSigma } from "./top-n-sigma.js";
import { topP } from "./top-p.js";
import { typicalP } from "./typical-p.js";
import { xtc } from "./xtc.js";

export const samplers = [penalties, dry, topNSigma, topK, typicalP, topP, minP, xtc, temperature] as const;

/** The name of a sampler, as the option `samplers` takes it. */
export type SamplerName = (typeof samplers)[number]["name"];

/** The options of all samplers together: what a function takes that can stand for a function of each. */
export type SamplerOptions = FunctionOf<(typeof samplers)[number]> extends (options: infer All) => void ? All : never;

type FunctionOf<Row> = Row extends SamplerDefinition<string, infer Options> ? (options: Options) => void : never;
