// A conversation, or, with a model that has no chat template, texts that it goes on with.

const $ = (id) => document.getElementById(id);

let chat;
let answering;

/** Begins with a model that generates. */
export function openChat(model) {
  const talks = begin(model);
  for (const id of ["question", "send", "clear"]) $(id).disabled = false;
  $("speed").textContent = talks ? "" : "This model has no chat template: it goes on with what you write.";
  $("question").placeholder = talks ? "Write a message" : "Write a beginning";

  $("ask").onsubmit = (event) => {
    event.preventDefault();
    if (answering === undefined) void answer(model, $("question").value.trim());
    else answering.abort();
  };
  $("question").onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (answering === undefined) $("ask").requestSubmit();
  };
  $("clear").onclick = () => {
    answering?.abort();
    begin(model);
    $("question").focus();
  };
  $("question").focus();
}

/** An empty conversation. Returns whether the model has a chat template. */
function begin(model) {
  chat?.dispose();
  chat = undefined;
  $("log").replaceChildren();
  try {
    chat = model.chat({ contextShift: true });
  } catch (error) {
    if (error.code !== "NO_CHAT_TEMPLATE") throw error;
  }
  return chat !== undefined;
}

async function answer(model, text) {
  if (text === "") return;
  const turn = new AbortController();
  answering = turn;
  $("question").value = "";
  $("send").textContent = "Stop";
  $("speed").textContent = "Reading…";
  const said = bubble("user", text);
  const place = bubble("model", chat === undefined ? text : "");
  place.setAttribute("aria-busy", "true");
  place.scrollIntoView({ block: "nearest" });
  try {
    const options = { signal: turn.signal, maxTokens: 2048 };
    const parts = chat === undefined ? model.generate(text, options) : chat.send(text, options);
    let thoughts;
    for await (const part of parts) {
      if (part.reasoning) {
        thoughts ??= thoughtsIn(place);
        thoughts.append(part.reasoning);
      }
      if (part.text) {
        place.append(part.text);
        const log = $("log");
        if (log.scrollHeight - log.scrollTop - log.clientHeight < 80) log.scrollTop = log.scrollHeight;
      }
      if (part.done) showSpeed(part.done);
    }
    if (chat === undefined) said.remove(); // the text has it
  } catch (error) {
    if (error.name !== "AbortError") {
      place.classList.add("failed");
      place.append(error.message);
    }
    $("speed").textContent = error.name === "AbortError" ? "Stopped." : "";
  } finally {
    place.removeAttribute("aria-busy");
    $("send").textContent = "Send";
    answering = undefined;
  }
}

function bubble(who, text) {
  const place = document.createElement("div");
  place.className = `said ${who}`;
  place.setAttribute("aria-label", who === "user" ? "You" : "Model");
  place.setAttribute("role", "group");
  place.append(text);
  $("log").append(place);
  return place;
}

function thoughtsIn(place) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const text = document.createElement("div");
  summary.textContent = "Thoughts";
  details.append(summary, text);
  place.prepend(details);
  return text;
}

function showSpeed({ usage, timings, finishReason }) {
  const rate = (tokens) => `${tokens.toFixed(tokens < 10 ? 1 : 0)} tokens/s`;
  $("speed").textContent = [
    `${usage.completionTokens} tokens at ${rate(timings.decodeTokensPerSecond)}`,
    `read ${usage.promptTokens - usage.cachedTokens} at ${rate(timings.prefillTokensPerSecond)}`,
    ...(finishReason === "length" ? ["cut off: the context or the limit is full"] : []),
  ].join(" · ");
}
