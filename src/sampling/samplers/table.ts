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

type SamplerRow = (typeof samplers)[number];

/** The name of a sampler, as the option `samplers` takes it. */
export type SamplerName = SamplerRow["name"];

type Functions<Row> = Row extends SamplerDefinition<string, infer Options> ? (options: Options) => void : never;

/** The options of all samplers. */
export type SamplerOptions = Functions<SamplerRow> extends (options: infer All) => void ? All : never;
