// Search by meaning: the texts and the query as vectors, the nearest first.

const $ = (id) => document.getElementById(id);

const vectors = new Map();

export function openSearch(model) {
  vectors.clear(); // those of another model
  $("results").replaceChildren();
  $("search-speed").textContent = "";
  $("rank").disabled = false;
  $("search").onsubmit = (event) => {
    event.preventDefault();
    void search(model);
  };
}

async function search(model) {
  $("rank").disabled = true;
  try {
    const texts = $("texts")
      .value.split("\n")
      .filter((line) => line.trim() !== "");
    const begin = performance.now();
    const knows = model.info.embedding.family !== undefined; // then its documents and queries begin with words of their own
    const fresh = texts.filter((text) => !vectors.has(text));
    let tokens = 0;
    const options = (purpose) => ({
      overlong: "chunk-mean",
      ...(model.info.embedding.reranks && { pooling: "mean" }),
      ...(knows && { purpose }),
      onUsage: ({ promptTokens }) => {
        tokens += promptTokens;
      },
    });
    const made = await model.embed(fresh, options("document"));
    for (const [i, text] of fresh.entries()) vectors.set(text, made[i]);
    const [query] = await model.embed([$("query").value], options("query"));
    const seconds = (performance.now() - begin) / 1000;

    // They have length 1, so the dot product is the cosine.
    const cosine = (text) => vectors.get(text).reduce((sum, value, i) => sum + value * query[i], 0);
    const ranked = texts.map((text) => ({ text, score: cosine(text) })).sort((a, b) => b.score - a.score);
    $("results").replaceChildren(...ranked.map(resultRow));
    $("search-speed").textContent =
      `${fresh.length + 1} texts, ${tokens} tokens in ${(1000 * seconds).toFixed(0)} ms: ` +
      `${(tokens / seconds).toFixed(0)} tokens/s; vectors of ${query.length} elements.` +
      (knows ? "" : " This is not one of the models that were made for search: take the order lightly.");
  } catch (error) {
    $("search-speed").textContent = error.message;
  } finally {
    $("rank").disabled = false;
  }
}

function resultRow({ text, score }) {
  const row = document.createElement("li");
  const meter = document.createElement("meter");
  meter.value = Math.max(0, score);
  meter.setAttribute("aria-label", "similarity");
  const number = document.createElement("span");
  number.className = "score";
  number.textContent = score.toFixed(3);
  row.append(number, meter, text);
  return row;
}
