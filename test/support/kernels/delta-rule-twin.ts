// The plain version of deltaRule, in f64.

/** Tokens of one text, for one head: (rows, dims) and (rows). */
export interface DeltaText {
  readonly dims: number;
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly alpha: Float32Array;
  readonly beta: Float32Array;
  readonly dt: number;
  readonly a: number;
  /** S before the text: (dims / 16, dims, 16). */
  readonly state: Float32Array;
}

/** What comes out, (rows, dims), and S behind the text. */
export function deltaRule(text: DeltaText, epsilon: number): { y: Float64Array; state: Float64Array } {
  const { dims, alpha, beta } = text;
  const [dt, a] = [Math.fround(text.dt), Math.fround(text.a)];
  const state = Float64Array.from(text.state);
  const y = new Float64Array(text.v.length);
  /** Where S has the row of a key's element, and the column of a value's. */
  const at = (i: number, j: number) => (Math.floor(j / 16) * dims + i) * 16 + (j % 16);
  for (let row = 0; row < alpha.length; row++) {
    const unit = (x: Float32Array) => {
      const one = Float64Array.from(x.subarray(row * dims, (row + 1) * dims));
      const length = Math.max(Math.sqrt(one.reduce((sum, value) => sum + value * value, 0)), epsilon);
      return one.map((value) => value / length);
    };
    const [q, k] = [unit(text.q).map((value) => value / Math.sqrt(dims)), unit(text.k)];
    const x = alpha[row]! + dt;
    const fade = Math.exp(a * (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x))));
    const learn = 1 / (1 + Math.exp(-beta[row]!));
    for (let j = 0; j < dims; j++) {
      for (let i = 0; i < dims; i++) state[at(i, j)]! *= fade;
      let known = 0;
      for (let i = 0; i < dims; i++) known += state[at(i, j)]! * k[i]!;
      const news = learn * (text.v[row * dims + j]! - known);
      for (let i = 0; i < dims; i++) {
        state[at(i, j)]! += k[i]! * news;
        y[row * dims + j]! += state[at(i, j)]! * q[i]!;
      }
    }
  }
  return { y, state };
}
