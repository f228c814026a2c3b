// The tab of embeddings: texts in, and how close they lie to each other, as a matrix and as neighbours.

import type { LiveModel } from "../live.js";
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

interface Ranked {
  readonly results: readonly { readonly index: number; readonly relevance_score: number }[];
}

/** @param modelNow the model that is picked @returns shows what that model can do */
export function startEmbeddings(modelNow: () => LiveModel | undefined): () => void {
  const texts = byId<HTMLTextAreaElement>("texts");
  const query = byId<HTMLInputElement>("query");
  const note = byId("embed-note");
  const ranks = () => modelNow()?.info?.reranks === true;
  byId("embed-example").addEventListener("click", () => {
    texts.value = EXAMPLE.join("\n");
    if (ranks()) query.value = "Which animals sleep?";
    texts.focus();
  });
  byId("embed-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void run();
  });

  async function run(): Promise<void> {
    const lines = texts.value.split("\n").filter((line) => line.trim() !== "");
    const wanted = query.value.trim();
    if (lines.length === 0 || (wanted === "" && (ranks() || lines.length < 2))) {
      note.textContent = ranks()
        ? "It takes a search, and texts."
        : "It takes two texts at least, or one and a search.";
      return;
    }
    const submit = byId<HTMLButtonElement>("embed");
    submit.disabled = true;
    note.textContent = "Computing…";
    const begin = performance.now();
    const took = () => `${Math.round(performance.now() - begin)} ms`;
    try {
      if (ranks()) await rank(lines, wanted, took);
      else await embed(lines, wanted, took);
    } catch (error) {
      note.textContent = (error as Error).message;
    } finally {
      submit.disabled = false;
    }
  }

  async function embed(lines: readonly string[], wanted: string, took: () => string): Promise<void> {
    const input = wanted === "" ? lines : [...lines, wanted];
    const body = { model: modelNow()?.name, input, encoding_format: "base64" };
    const { data, usage } = await askJson<Answer>("v1/embeddings", { body });
    const vectors = data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => floatsOf(embedding));
    const size = `${usage.prompt_tokens} tokens, ${vectors[0]!.length} numbers each`;
    note.textContent = `${input.length} texts, ${size}, ${took()}`;
    show(lines, vectors.slice(0, lines.length), wanted === "" ? undefined : vectors.at(-1)!);
  }

  /** A reranker makes no vectors: it reads the search and each text together. */
  async function rank(lines: readonly string[], wanted: string, took: () => string): Promise<void> {
    const body = { model: modelNow()?.name, query: wanted, documents: lines };
    const { results } = await askJson<Ranked>("v1/rerank", { body });
    note.textContent = `${lines.length} texts, ${took()}`;
    const scores = results.map(({ index, relevance_score }) => ({ i: index, value: relevance_score }));
    byId("embed-result").replaceChildren(ranking("The best first", lines, scores));
  }

  return () => {
    byId("embed-about").textContent = ranks()
      ? "This model scores each text as an answer to the search."
      : "Each line becomes a vector. Texts that mean the same lie close together.";
  };
}

function ranking(
  title: string,
  texts: readonly string[],
  scores: readonly { readonly i: number; readonly value: number }[],
): HTMLElement {
  const rows = scores.map(({ i, value }) => element("li", {}, score(value), ` ${texts[i]}`));
  return element("section", {}, element("h2", {}, title), element("ol", { class: "ranked" }, ...rows));
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
    parts.push(ranking("Nearest to the search", texts, ranked));
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
