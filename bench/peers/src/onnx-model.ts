// An ONNX model that multiplies one input by several 4-bit matrices.

import { type Quantised, quantisedWeights } from "./matmul-data.js";
import { GraphWriter } from "./onnx-format.js";
import type { MatmulSubject } from "./peer.js";

/** The model: x (tokens, columns) -> y0, y1, ... (tokens, rows), each by one node of type com.microsoft.MatMulNBits. */
export function matmulModel(subject: MatmulSubject): Uint8Array {
  const { tokens, columns, rows, matrices } = subject;
  const graph = new GraphWriter("matmul");
  const outputs = Array.from({ length: matrices }, (_, i) => {
    const weights = quantisedWeights(subject, i);
    const b = graph.constant(`b${i}`, "uint8", [rows, columns / 32, 16], pairs(weights));
    const scales = graph.constant(`scales${i}`, "float", [(rows * columns) / 32], weights.scales);
    // accuracy_level 4: activations of 8 bits, the fastest there is
    const attributes = { K: columns, N: rows, bits: 4, block_size: 32, accuracy_level: 4 };
    return graph.contributed("MatMulNBits", ["x", b, scales], attributes, `y${i}`);
  });
  const float = (name: string, shape: number[]) => ({ name, type: "float", shape }) as const;
  return graph.finish(
    21,
    [float("x", [tokens, columns])],
    outputs.map((name) => float(name, [tokens, rows])),
  );
}

/** Two neighbours of a row in a byte, the first one in the low half. */
function pairs({ values }: Quantised): Uint8Array {
  return Uint8Array.from({ length: values.length / 2 }, (_, i) => values[2 * i]! | (values[2 * i + 1]! << 4));
}
