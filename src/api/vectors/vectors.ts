// The vectors of one embed call: what the leader pooled, joined where an input was split, then shortened and scaled as the caller wants.

export interface VectorShape {
  /** Elements that are kept; undefined: all. */
  readonly dimensions: number | undefined;
  readonly normalize: boolean;
  /** Whether an input has a vector for each of its tokens. */
  readonly perToken: boolean;
}

/** What a split input has so far. */
interface Parts {
  missing: number;
  readonly values: Float32Array[];
  readonly tokens: number[];
}

export class Vectors {
  readonly #shape: VectorShape;
  readonly #values: (Float32Array | Float32Array[])[];
  readonly #parts = new Map<number, Parts>();
  #done = 0;

  constructor(inputs: number, shape: VectorShape) {
    this.#shape = shape;
    this.#values = new Array(inputs);
  }

  /** Number of inputs that are complete. */
  get done(): number {
    return this.#done;
  }

  /** One vector for each input; with `perToken`, one array of vectors for each input. */
  get values(): Float32Array[] | Float32Array[][] {
    return this.#values as Float32Array[] | Float32Array[][];
  }

  /** Announces how many parts an input comes in. */
  expect(input: number, parts: number): void {
    if (parts > 1) this.#parts.set(input, { missing: parts, values: new Array(parts), tokens: new Array(parts) });
  }

  /** Takes the vector of an input, or of a part of it, which has `tokens` tokens: (size), or with `perToken` (tokens, size). */
  add({ input, part }: { readonly input: number; readonly part: number }, values: Float32Array, tokens: number): void {
    const parts = this.#parts.get(input);
    if (parts !== undefined) {
      parts.values[part] = values.slice();
      parts.tokens[part] = tokens;
      parts.missing--;
      if (parts.missing > 0) return;
      this.#parts.delete(input);
      this.#values[input] = this.#finished(weightedMean(parts));
    } else if (this.#shape.perToken) {
      const size = values.length / tokens;
      const row = (token: number) => this.#finished(values.subarray(token * size, (token + 1) * size));
      this.#values[input] = Array.from({ length: tokens }, (_, token) => row(token));
    } else {
      this.#values[input] = this.#finished(values);
    }
    this.#done++;
  }

  /** A copy of the first elements, scaled to length 1 if wanted. A zero vector stays zero. */
  #finished(values: Float32Array): Float32Array {
    const vector = values.slice(0, this.#shape.dimensions);
    if (!this.#shape.normalize) return vector;
    let squares = 0;
    for (const element of vector) squares += element * element;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let d = 0; d < vector.length; d++) vector[d]! *= scale;
    return vector;
  }
}

/** The mean of the parts, weighted by their tokens. They are added in the order of the text, so that the sum always has the same bits. */
function weightedMean({ values, tokens }: Parts): Float32Array {
  const all = tokens.reduce((sum, count) => sum + count, 0);
  return values[0]!.map((_, d) => values.reduce((sum, part, i) => sum + part[d]! * tokens[i]!, 0) / all);
}
