// The tab of embeddings: texts in, and how close they lie to each other, as a matrix and as neighbours.

import { askJson } from "./client.js";
import { byId, element } from "./element.js";

const EXAMPLE = [
  "The cat sleeps on the sofa.",
  "A kitten naps on the couch.",
  "The stock market fell today.",
  "Shares lost a tenth of their value.",
  "Preheat the oven to 200 degrees.",
];

/** More texts than these have no matrix, but neighbours. */
const MOST_IN_MATRIX = 24;
const NEIGHBOURS = 3;

interface Answer {
  readonly data: readonly { readonly index: number; readonly embedding: string }[];
  readonly usage: { readonly prompt_tokens: number };
}

/** @param modelNow the model that is picked */
export function startEmbeddings(modelNow: () => string): void {
  const texts = byId<HTMLTextAreaElement>("texts");
  const query = byId<HTMLInputElement>("query");
  const note = byId("embed-note");
  byId("embed-example").addEventListener("click", () => {
    texts.value = EXAMPLE.join("\n");
    texts.focus();
  });
  byId("embed-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void run();
  });

  async function run(): Promise<void> {
    const lines = texts.value.split("\n").filter((line) => line.trim() !== "");
    const wanted = query.value.trim();
    if (lines.length < (wanted === "" ? 2 : 1)) {
      note.textContent = "Two texts at least can be compared.";
      return;
    }
    const submit = byId<HTMLButtonElement>("embed");
    submit.disabled = true;
    note.textContent = "Computing…";
    try {
      const begin = performance.now();
      const input = wanted === "" ? lines : [...lines, wanted];
      const body = { model: modelNow(), input, encoding_format: "base64" };
      const { data, usage } = await askJson<Answer>("v1/embeddings", { body });
      const vectors = data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => floatsOf(embedding));
      const took = Math.round(performance.now() - begin);
      note.textContent = `${input.length} texts, ${usage.prompt_tokens} tokens, ${vectors[0]!.length} numbers each, ${took} ms`;
      show(lines, vectors.slice(0, lines.length), wanted === "" ? undefined : vectors.at(-1)!);
    } catch (error) {
      note.textContent = (error as Error).message;
    } finally {
      submit.disabled = false;
    }
  }
}

/** f32, little-endian. */
function floatsOf(base64: string): Float32Array {
  return new Float32Array(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer);
}

function similarity(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb || 1);
}

function show(texts: readonly string[], vectors: readonly Float32Array[], query: Float32Array | undefined): void {
  const parts: HTMLElement[] = [];
  if (query !== undefined) {
    const ranked = vectors
      .map((vector, i) => ({ i, value: similarity(query, vector) }))
      .sort((a, b) => b.value - a.value);
    const rows = ranked.map(({ i, value }) => element("li", {}, score(value), ` ${texts[i]}`));
    parts.push(
      element("section", {}, element("h2", {}, "Nearest to the search"), element("ol", { class: "ranked" }, ...rows)),
    );
  }
  const matrix = vectors.map((a) => vectors.map((b) => similarity(a, b)));
  if (texts.length > 1) {
    if (texts.length <= MOST_IN_MATRIX) parts.push(matrixOf(texts, matrix));
    parts.push(neighboursOf(texts, matrix));
  }
  byId("embed-result").replaceChildren(...parts);
}

/** A similarity, shaded from 0 to 1. */
const shade = (value: number) => `sim-${Math.max(0, Math.min(10, Math.round(10 * value)))}`;
const score = (value: number) => element("span", { class: `score ${shade(value)}` }, value.toFixed(2));

function matrixOf(texts: readonly string[], matrix: readonly (readonly number[])[]): HTMLElement {
  const head = element(
    "tr",
    {},
    element("td"),
    ...texts.map((text, i) => element("th", { scope: "col", title: text }, String(i + 1))),
  );
  const rows = matrix.map((row, i) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, `${i + 1}. ${texts[i]}`),
      ...row.map((value, j) =>
        element("td", { class: shade(value), title: `${texts[i]} / ${texts[j]}` }, value.toFixed(2)),
      ),
    ),
  );
  const table = element("table", { class: "matrix" }, element("thead", {}, head), element("tbody", {}, ...rows));
  const region = { class: "scrolls", role: "region", "aria-label": "Similarity of each pair", tabindex: 0 };
  return element("section", {}, element("h2", {}, "Similarity of each pair"), element("div", region, table));
}

function neighboursOf(texts: readonly string[], matrix: readonly (readonly number[])[]): HTMLElement {
  const items = texts.map((text, i) => {
    const others = matrix[i]!.map((value, j) => ({ value, j })).filter(({ j }) => j !== i);
    const nearest = others.sort((a, b) => b.value - a.value).slice(0, NEIGHBOURS);
    const list = nearest.map(({ value, j }) => element("li", {}, score(value), ` ${texts[j]}`));
    return element("li", {}, element("p", {}, text), element("ol", { class: "ranked" }, ...list));
  });
  return element(
    "section",
    {},
    element("h2", {}, "Nearest neighbours"),
    element("ul", { class: "neighbours" }, ...items),
  );
}
