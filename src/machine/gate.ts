// Several models in one process share its processors by a gate, a lock in shared memory: a leader takes it for its steps. Teams that fit
// side by side pass together; others take turns in the order in which they came. Without it, the workers of one team would wait at a
// barrier, and look, while the one that they wait for waits for a processor that another team has.
//
// It is Lamport's bakery (1974) with places for teams that come and go. Each leader writes to its own place only, so none can leave the
// gate in a state that others cannot read. A team is behind those with earlier tickets that may run on processors of its own; it may go
// when these processors together are enough for the workers of all. Nobody is overtaken by those that come later.
//
// The gate is for speed, not for correctness: whoever passes it wrongly only disturbs. So a team that shows no sign of life for
// LIFELESS_MILLISECONDS, because its thread was ended without a word, is passed over.
//
//   WORD                     int32
//   0  tickets               handed out so far
//   1  changes               counted up when somebody may go who could not before: leaders sleep on it
//   2  used                  places that have ever been taken
//  16  places                MOST_PLACES of them, PLACE_WORDS words each:
//      0  taken              0 or 1
//      1  ticket             0: wants nothing; DRAWING: is about to have one; or 1 .. TICKET_NUMBERS
//      2  workers            that compute, or will
//      3  sign               of life: changes while the team computes or waits
//     16  processors         that they may run on, a bit each

export const TICKET_COUNT = 0;
export const CHANGES = 1;
export const USED_PLACES = 2;
export const FIRST_PLACE = 16;
export const PLACE_WORDS = 48;
export const TAKEN = 0;
export const TICKET = 1;
export const PLACE_WORKERS = 2;
export const SIGN = 3;
export const PROCESSORS = 16;
/** Models in a process. */
export const MOST_PLACES = 1024;
/** Words of bits. Processors with higher numbers share the last one. */
export const PROCESSOR_WORDS = 32;

export const GATE_WORDS = FIRST_PLACE + MOST_PLACES * PLACE_WORDS;

const DRAWING = -1;
/** Tickets are numbered in a circle. Of two, the earlier is the one from which it is less than half of it to the other. */
const TICKET_NUMBERS = 2 ** 30;

/**
 * How long a leader keeps the gate while others wait, if its steps are shorter. Handing it over wakes a team: with 4 ms, two models of
 * 5 ms a token did 0.94 of the work of one after the other, with 20 ms all of it.
 */
const KEEP_MILLISECONDS = 20;
/** How long a leader waits until it looks for messages again. */
const WAIT_MILLISECONDS = 20;
const LIFELESS_MILLISECONDS = 2000;

/** Where a team stands at the gate. It survives structured cloning. */
export interface GatePlace {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly place: number;
}

/** The index of a place's first word. */
export function placeWord(place: number): number {
  return FIRST_PLACE + place * PLACE_WORDS;
}

/** Takes a place's ticket away, whoever had it, and lets others go. */
export function clearTicket(words: Int32Array<SharedArrayBuffer>, place: number): void {
  Atomics.store(words, placeWord(place) + TICKET, 0);
  tellChange(words);
}

function tellChange(words: Int32Array<SharedArrayBuffer>): void {
  Atomics.add(words, CHANGES, 1);
  Atomics.notify(words, CHANGES);
}

function isEarlier(a: number, b: number): boolean {
  const ahead = (b - a) & (TICKET_NUMBERS - 1);
  return ahead !== 0 && ahead < TICKET_NUMBERS / 2;
}

/** A leader's side of the gate. */
export class Gate {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #own: number;
  #ticket = 0;
  #workers = 0;
  #holds = false;
  #since = 0;
  #signs = 0;
  /** All processors of the teams ahead and of this one. */
  readonly #union = new Int32Array(PROCESSOR_WORDS);
  /** What was last seen of the places ahead: ticket, sign, and since when they are the same. */
  readonly #seen = new Map<number, { readonly ticket: number; readonly sign: number; readonly since: number }>();

  constructor({ words, place }: GatePlace) {
    this.#words = words;
    this.#own = placeWord(place);
  }

  /**
   * Takes the gate for a step of so many workers, or keeps it. Returns false if others still have it after WAIT_MILLISECONDS: this team
   * keeps its place in the line, and asks again, or leaves.
   */
  take(workers: number): boolean {
    if (workers > this.#workers) this.leave(); // from the end of the line
    if (this.#ticket === 0) this.#draw(workers);
    else if (workers < this.#workers) this.#need(workers);
    if (this.#holds) return true;
    const end = performance.now() + WAIT_MILLISECONDS;
    for (;;) {
      const changes = Atomics.load(this.#words, CHANGES);
      if (!this.#isBehind()) {
        this.#holds = true;
        this.#since = performance.now();
        this.#seen.clear();
        return true;
      }
      this.sign();
      const left = end - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#words, CHANGES, changes, left);
    }
  }

  /** The leader lives: it waits, or computes. */
  sign(): void {
    this.#words[this.#own + SIGN] = ++this.#signs;
  }

  /** Between two steps: leaves if others wait, and it was this team's turn for long enough. */
  giveWay(): void {
    if (!this.#holds || performance.now() - this.#since < KEEP_MILLISECONDS) return;
    const passedOver = Atomics.load(this.#words, this.#own + TICKET) !== this.#ticket;
    if (passedOver || this.#isAwaited()) this.leave();
    else this.#since = performance.now();
  }

  /** This team wants nothing now. */
  leave(): void {
    if (this.#ticket === 0) return;
    this.#ticket = 0;
    this.#holds = false;
    this.#seen.clear();
    Atomics.store(this.#words, this.#own + TICKET, 0);
    tellChange(this.#words);
  }

  /** How many other teams compute beside this one, about. */
  get companions(): number {
    const words = this.#words;
    const used = Atomics.load(words, USED_PLACES);
    let count = 0;
    for (let place = 0; place < used; place++) {
      const at = placeWord(place);
      if (at === this.#own || Atomics.load(words, at + TICKET) === 0) continue;
      if (!this.#meets(at)) {
        count++;
        continue;
      }
      for (let i = 0; i < PROCESSOR_WORDS; i++) {
        this.#union[i] = words[at + PROCESSORS + i]! | words[this.#own + PROCESSORS + i]!;
      }
      if (this.#workers + words[at + PLACE_WORKERS]! <= bitsIn(this.#union)) count++;
    }
    return count;
  }

  #draw(workers: number): void {
    const words = this.#words;
    this.#need(workers);
    // Who looks meanwhile must wait for the number: it may be the earlier one.
    Atomics.store(words, this.#own + TICKET, DRAWING);
    this.#ticket = (Atomics.add(words, TICKET_COUNT, 1) & (TICKET_NUMBERS - 1)) + 1;
    Atomics.store(words, this.#own + TICKET, this.#ticket);
    tellChange(words);
  }

  #need(workers: number): void {
    this.#workers = workers;
    Atomics.store(this.#words, this.#own + PLACE_WORKERS, workers);
    if (this.#ticket !== 0) tellChange(this.#words);
  }

  /** Whether teams with earlier tickets leave too few processors. */
  #isBehind(): boolean {
    const words = this.#words;
    const used = Atomics.load(words, USED_PLACES);
    let workers = this.#workers;
    let behind = false;
    for (let place = 0; place < used; place++) {
      const at = placeWord(place);
      if (at === this.#own) continue;
      const ticket = Atomics.load(words, at + TICKET);
      if (ticket === 0) continue;
      if (ticket !== DRAWING && !isEarlier(ticket, this.#ticket)) continue;
      if (!this.#meets(at) || this.#isLifeless(place, ticket)) continue;
      if (!behind) this.#union.set(words.subarray(this.#own + PROCESSORS, this.#own + PLACE_WORDS));
      behind = true;
      workers += Atomics.load(words, at + PLACE_WORKERS);
      for (let i = 0; i < PROCESSOR_WORDS; i++) this.#union[i]! |= words[at + PROCESSORS + i]!;
    }
    return behind && workers > bitsIn(this.#union);
  }

  /** Whether somebody who came later waits for processors of this team. */
  #isAwaited(): boolean {
    const words = this.#words;
    const used = Atomics.load(words, USED_PLACES);
    for (let place = 0; place < used; place++) {
      const at = placeWord(place);
      if (at !== this.#own && Atomics.load(words, at + TICKET) !== 0 && this.#meets(at)) return true;
    }
    return false;
  }

  /** Whether a team may run on some processor of this one. */
  #meets(at: number): boolean {
    for (let i = PROCESSORS; i < PLACE_WORDS; i++) {
      if ((this.#words[at + i]! & this.#words[this.#own + i]!) !== 0) return true;
    }
    return false;
  }

  /** Whether a place with an earlier ticket has been seen for long, and always the same. Its ticket is then taken away. */
  #isLifeless(place: number, ticket: number): boolean {
    const sign = Atomics.load(this.#words, placeWord(place) + SIGN);
    const seen = this.#seen.get(place);
    const now = performance.now();
    if (seen?.ticket !== ticket || seen.sign !== sign) {
      this.#seen.set(place, { ticket, sign, since: now });
      return false;
    }
    if (now - seen.since < LIFELESS_MILLISECONDS) return false;
    Atomics.compareExchange(this.#words, placeWord(place) + TICKET, ticket, 0);
    tellChange(this.#words);
    return true;
  }
}

function bitsIn(words: Int32Array): number {
  let count = 0;
  for (let word of words) for (; word !== 0; word &= word - 1) count++;
  return count;
}
