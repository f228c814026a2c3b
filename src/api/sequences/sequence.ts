// A sequence: the low level, for people who write their own sampling.

import { ContextError, CriaError } from "../../errors.js";
import { checkChoice, checkSignal, invalidOption, namesOf, optionsOf, readable } from "../../options.js";
import type { ModelClient } from "../../protocol/client.js";
import { type Sessions, saveSession } from "./sessions.js";

/** What sequences need from their model. */
export interface SequenceModel {
  readonly client: ModelClient;
  readonly sessions: Sessions;
  readonly contextSize: number;
  readonly vocabularySize: number;
  /** Gives the number for one more sequence. */
  readonly newId: () => number;
}

/** How `sequence.evaluate` evaluates tokens. */
export interface EvaluateOptions {
  /** Of which rows logits are returned: of the last token (default), or of every one. */
  readonly logits?: "last" | "all";
  readonly signal?: AbortSignal;
}

const evaluateOptionNames = namesOf<EvaluateOptions>({ logits: true, signal: true });

/** A text in the KV cache that grows by `evaluate`. From `model.createSequence()`. */
export class Sequence {
  readonly #model: SequenceModel;
  readonly #id: number;
  #position: number;
  #underWay = 0;
  #disposed = false;

  /** Use `model.createSequence()`. @param id of a sequence that the leader knows, with `position` tokens */
  constructor(model: SequenceModel, id: number, position: number) {
    this.#model = model;
    this.#id = id;
    this.#position = position;
  }

  /** Tokens that the sequence holds, including those of calls under way. */
  get position(): number {
    return this.#position;
  }

  /**
   * Appends tokens and computes what follows them. Calls queue in order.
   *
   * @param ids token ids, at least one
   * @param options logits: "last" (default) for those of the last token only, "all" for those of every token
   * @returns (n, vocab) logits, n = 1 or ids.length; the array belongs to the caller
   * @throws ContextError when the tokens do not fit, CriaError INVALID_TOKEN; rejects with signal.reason when aborted: the sequence is
   * then as it was before
   */
  async evaluate(ids: ArrayLike<number>, options: EvaluateOptions = {}): Promise<Float32Array> {
    this.#check();
    const { logits = "last", signal } = optionsOf("evaluate", options, evaluateOptionNames);
    checkSignal(signal);
    checkChoice("logits", logits, ["last", "all"]);
    const tokens = checkIds(ids, this.#model.vocabularySize);
    if (this.#position + tokens.length > this.#model.contextSize) {
      throw new ContextError(
        "CONTEXT_FULL",
        `${tokens.length} tokens at position ${this.#position} do not fit into a context of ${this.#model.contextSize}`,
      );
    }
    this.#position += tokens.length;
    this.#underWay++;
    try {
      return await this.#model.client.evaluate({ type: "evaluate", sequence: this.#id, ids: tokens, logits }, [signal]);
    } catch (error) {
      this.#position -= tokens.length;
      throw error;
    } finally {
      this.#underWay--;
    }
  }

  /** Forgets all tokens from position `length` on. @throws ContextError while an `evaluate` is under way */
  truncate(length: number): void {
    this.#checkIdle("truncate");
    if (!Number.isInteger(length) || length < 0 || length > this.#position) {
      throw new ContextError(
        "INVALID_POSITION",
        `truncate to ${typeof length === "number" ? length : typeof length}; the sequence has ${this.#position} tokens`,
      );
    }
    this.#model.client.tell({ type: "truncate", sequence: this.#id, length });
    this.#position = length;
  }

  /** A new sequence that begins with the same tokens. The two share pages of the cache until one of them writes to a page. */
  fork(): Sequence {
    this.#checkIdle("fork");
    const { client, newId } = this.#model;
    const sequence = newId();
    client.tell({ type: "fork", sequence, from: this.#id });
    return new Sequence(this.#model, sequence, this.#position);
  }

  /**
   * Saves the sequence for `model.restoreSequence`: its tokens, and the keys and values of all full pages of 64.
   *
   * @param path a file to write the session to as well
   * @returns the session's bytes
   * @throws ContextError while an `evaluate` is under way; FileError
   */
  async save(path?: string | URL): Promise<Uint8Array> {
    this.#checkIdle("save");
    return saveSession(path, () => this.#model.sessions.save(this.#id, undefined));
  }

  /** Gives the sequence's part of the cache back. */
  dispose(): void {
    if (this.#disposed) return;
    this.#checkIdle("dispose");
    this.#disposed = true;
    this.#model.client.close(this.#id);
  }

  /** `dispose`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new ContextError("SEQUENCE_DISPOSED", "the sequence is disposed of");
  }

  #checkIdle(call: string): void {
    this.#check();
    if (this.#underWay > 0) {
      throw new ContextError("SEQUENCE_BUSY", `${call}: ${this.#underWay} evaluate calls are under way`);
    }
  }
}

/** Token ids as the leader takes them. @throws CriaError */
export function checkIds(ids: ArrayLike<number>, vocabularySize: number): Int32Array {
  return readable("the tokens", ids, () => {
    if (typeof ids !== "object" || ids === null) throw invalidIds("the tokens", "an array of ids", ids);
    const { length } = ids;
    if (!(length > 0)) throw new CriaError("INVALID_TOKEN", "there must be at least one token");
    const tokens: number[] = []; // each is read once, because it may be another the next time
    for (let i = 0; i < length; i++) {
      const id: unknown = ids[i];
      if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= vocabularySize) {
        throw invalidIds(`token ${i}`, `an integer in 0 .. ${vocabularySize - 1}`, id);
      }
      tokens.push(id as number);
    }
    return Int32Array.from(tokens);
  });
}

function invalidIds(name: string, what: string, value: unknown): CriaError {
  return new CriaError("INVALID_TOKEN", invalidOption(name, what, value).message);
}
