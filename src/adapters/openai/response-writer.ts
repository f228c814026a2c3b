// A response as it comes into being: its items, and the events that tell of them, in OpenAI's order.
//
//   response.created  response.in_progress
//     output_item.added  content_part.added  output_text.delta ...  output_text.done  content_part.done  output_item.done
//   response.completed

import type {
  Response as ResponseBody,
  ResponseCreatedEvent,
  ResponseFunctionToolCall,
  ResponseOutputItem,
  ResponseOutputMessage,
  ResponseReasoningItem,
  ResponseStreamEvent,
} from "openai/resources/responses/responses";
import type { GeneratedPart, GenerationSummary, Tokenizer, ToolCallDelta } from "../../index.js";
import { reasoningTokensOf } from "./choices.js";
import { logprobOf } from "./logprobs.js";
import { newId } from "./tools.js";
import { responseUsageOf } from "./usage.js";

/** What a response says of its request. */
export type ResponseHead = Omit<
  ResponseBody,
  "output" | "output_text" | "status" | "error" | "incomplete_details" | "usage" | "completed_at"
>;

type Status = "in_progress" | "completed" | "incomplete";
// An event without its number, which it gets when it is sent.
type Unnumbered<Event> = Event extends unknown ? Omit<Event, "sequence_number"> : never;
type Told = Unnumbered<ResponseStreamEvent>;
type Logprobs = NonNullable<ResponseOutputMessage["content"][number] & { type: "output_text" }>["logprobs"];

/** The item that is being written. */
type Open =
  | { readonly kind: "reasoning"; readonly item: ResponseReasoningItem; text: string }
  | { readonly kind: "message"; readonly item: ResponseOutputMessage; text: string; logprobs: NonNullable<Logprobs> }
  | { readonly kind: "call"; readonly item: ResponseFunctionToolCall; readonly call: number };

export class ResponseWriter {
  readonly #head: ResponseHead;
  readonly #tokenizer: Tokenizer;
  /** Whether thoughts are told as a summary, which is what a request may ask for, and not as what they are. */
  readonly #summary: boolean;
  readonly #output: ResponseOutputItem[] = [];
  #open: Open | undefined;
  #events: Told[] = [];
  #sequence = 0;
  #reasoningTokens = 0;
  /** Those of tokens whose text has not come yet. */
  #logprobs: NonNullable<Logprobs> = [];

  constructor(head: ResponseHead, tokenizer: Tokenizer, summary: boolean) {
    this.#head = head;
    this.#tokenizer = tokenizer;
    this.#summary = summary;
  }

  /** The response so far. */
  body(status: ResponseBody["status"] = "in_progress"): ResponseBody {
    return {
      ...this.#head,
      status,
      error: null,
      incomplete_details: null,
      output: structuredClone(this.#output),
    } as ResponseBody;
  }

  begin(): ResponseStreamEvent[] {
    const response = this.body();
    return this.#numbered([
      { type: "response.created", response } as Unnumbered<ResponseCreatedEvent>,
      { type: "response.in_progress", response },
    ]);
  }

  /** Writes a part, and gives the events that tell of it. */
  write(part: GeneratedPart): ResponseStreamEvent[] {
    this.#reasoningTokens += reasoningTokensOf(part);
    if (part.reasoning) this.#writeReasoning(part.reasoning);
    if (part.logprobs !== undefined && part.reasoning === undefined) {
      this.#logprobs.push(...part.logprobs.map((each) => logprobOf(each, this.#tokenizer)));
    }
    if (part.text !== "") this.#writeText(part.text);
    for (const delta of part.toolCallDeltas ?? []) this.#writeCall(delta);
    return this.#numbered(this.#takeEvents());
  }

  /** Ends the response: its last events, and the response as a whole. */
  end(done: GenerationSummary): { readonly events: ResponseStreamEvent[]; readonly body: ResponseBody } {
    const cut = done.finishReason === "length";
    // An answer that says nothing is an empty message.
    if (this.#output.length === 0 || (this.#open?.kind === "reasoning" && !cut)) this.#openMessage();
    this.#close(cut ? "incomplete" : "completed");
    const body: ResponseBody = {
      ...this.body(cut ? "incomplete" : "completed"),
      incomplete_details: cut ? { reason: "max_output_tokens" } : null,
      usage: responseUsageOf(done.usage, this.#reasoningTokens),
      ...(!cut && { completed_at: Math.floor(Date.now() / 1000) }),
    };
    const last: Told = { type: cut ? "response.incomplete" : "response.completed", response: body };
    return { events: this.#numbered([...this.#takeEvents(), last]), body };
  }

  /** The event that tells that the response failed. */
  fail(message: string): ResponseStreamEvent[] {
    const response: ResponseBody = { ...this.body("failed"), error: { code: "server_error", message } };
    return this.#numbered([...this.#takeEvents(), { type: "response.failed", response }]);
  }

  #writeReasoning(delta: string): void {
    if (this.#open?.kind !== "reasoning") this.#openReasoning();
    if (this.#open?.kind !== "reasoning") return;
    this.#open.text += delta;
    const place = this.#place();
    if (this.#summary) this.#tell({ type: "response.reasoning_summary_text.delta", ...place, summary_index: 0, delta });
    else this.#tell({ type: "response.reasoning_text.delta", ...place, content_index: 0, delta });
  }

  #openReasoning(): void {
    const item: ResponseReasoningItem = {
      id: itemId("rs"),
      type: "reasoning",
      summary: [],
      ...(!this.#summary && { content: [] }),
      status: "in_progress",
    };
    this.#begin({ kind: "reasoning", item, text: "" });
    const place = this.#place();
    if (this.#summary) {
      const part = { type: "summary_text", text: "" } as const;
      this.#tell({ type: "response.reasoning_summary_part.added", ...place, summary_index: 0, part });
    } else {
      const part = { type: "reasoning_text", text: "" } as const;
      this.#tell({ type: "response.content_part.added", ...place, content_index: 0, part });
    }
  }

  #writeText(delta: string): void {
    if (this.#open?.kind !== "message") this.#openMessage();
    if (this.#open?.kind !== "message") return;
    this.#open.text += delta;
    const logprobs = this.#takeLogprobs(this.#open.logprobs);
    this.#tell({ type: "response.output_text.delta", ...this.#place(), content_index: 0, delta, logprobs });
  }

  #openMessage(): void {
    const item = {
      id: itemId("msg"),
      type: "message",
      role: "assistant",
      status: "in_progress",
      content: [],
    } as ResponseOutputMessage;
    this.#begin({ kind: "message", item, text: "", logprobs: [] });
    const part = { type: "output_text", text: "", annotations: [], logprobs: [] } as const;
    this.#tell({
      type: "response.content_part.added",
      ...this.#place(),
      content_index: 0,
      part: { ...part, annotations: [], logprobs: [] },
    });
  }

  #writeCall({ index, name, arguments: delta }: ToolCallDelta): void {
    if (this.#open?.kind !== "call" || this.#open.call !== index) {
      const item: ResponseFunctionToolCall = {
        id: itemId("fc"),
        type: "function_call",
        status: "in_progress",
        call_id: newId(),
        name: name ?? "",
        arguments: "",
      };
      this.#begin({ kind: "call", item, call: index });
    }
    if (this.#open?.kind !== "call" || delta === "") return;
    this.#open.item.arguments += delta;
    this.#tell({ type: "response.function_call_arguments.delta", ...this.#place(), delta });
  }

  /** The item that was written is complete, and this one comes next. */
  #begin(open: Open): void {
    this.#close("completed");
    this.#open = open;
    this.#output.push(open.item);
    const { output_index } = this.#place();
    this.#tell({ type: "response.output_item.added", output_index, item: structuredClone(open.item) });
  }

  #close(status: Exclude<Status, "in_progress">): void {
    const open = this.#open;
    if (open === undefined) return;
    const place = this.#place();
    this.#open = undefined;
    open.item.status = status;
    if (open.kind === "reasoning") this.#closeReasoning(open, place);
    else if (open.kind === "message") this.#closeMessage(open, place);
    else {
      const { name, arguments: whole } = open.item;
      this.#tell({ type: "response.function_call_arguments.done", ...place, name, arguments: whole });
    }
    const { output_index } = place;
    this.#tell({ type: "response.output_item.done", output_index, item: structuredClone(open.item) });
  }

  #closeReasoning({ item, text }: Extract<Open, { kind: "reasoning" }>, place: Place): void {
    if (this.#summary) {
      const part = { type: "summary_text", text } as const;
      item.summary = [part];
      this.#tell({ type: "response.reasoning_summary_text.done", ...place, summary_index: 0, text });
      this.#tell({ type: "response.reasoning_summary_part.done", ...place, summary_index: 0, part });
    } else {
      const part = { type: "reasoning_text", text } as const;
      item.content = [part];
      this.#tell({ type: "response.reasoning_text.done", ...place, content_index: 0, text });
      this.#tell({ type: "response.content_part.done", ...place, content_index: 0, part });
    }
  }

  #closeMessage({ item, text, logprobs }: Extract<Open, { kind: "message" }>, place: Place): void {
    this.#takeLogprobs(logprobs);
    const part = { type: "output_text" as const, text, annotations: [], logprobs };
    item.content = [part];
    this.#tell({ type: "response.output_text.done", ...place, content_index: 0, text, logprobs });
    this.#tell({ type: "response.content_part.done", ...place, content_index: 0, part });
  }

  #takeLogprobs(all: NonNullable<Logprobs>): NonNullable<Logprobs> {
    const taken = this.#logprobs;
    this.#logprobs = [];
    all.push(...taken);
    return taken;
  }

  #place(): Place {
    return { item_id: this.#open?.item.id ?? "", output_index: this.#output.length - 1 };
  }

  #tell(event: Told): void {
    this.#events.push(event);
  }

  #takeEvents(): Told[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #numbered(events: readonly Told[]): ResponseStreamEvent[] {
    return events.map((event) => ({ ...event, sequence_number: this.#sequence++ }) as ResponseStreamEvent);
  }
}

interface Place {
  readonly item_id: string;
  readonly output_index: number;
}

function itemId(kind: string): string {
  return `${kind}_${crypto.randomUUID().replaceAll("-", "")}`;
}
