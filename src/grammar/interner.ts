// Triples of numbers, numbered from 0 in order of arrival: a hash table in typed arrays.

export class Interner {
  #values = new Int32Array(3 * 64);
  /** Number of the triple + 1, or 0. Its length is a power of two, and at least twice the number of triples. */
  #slots = new Int32Array(256);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  number(first: number, second: number, third: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(first, second, third) & mask;
    for (;;) {
      const found = this.#slots[slot]! - 1;
      if (found < 0) break;
      const at = 3 * found;
      if (this.#values[at] === first && this.#values[at + 1] === second && this.#values[at + 2] === third) return found;
      slot = (slot + 1) & mask;
    }
    const number = this.#size++;
    this.#slots[slot] = number + 1;
    if (3 * this.#size > this.#values.length) {
      const larger = new Int32Array(2 * this.#values.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[3 * number] = first;
    this.#values[3 * number + 1] = second;
    this.#values[3 * number + 2] = third;
    if (2 * this.#size > this.#slots.length) this.#grow();
    return number;
  }

  first(number: number): number {
    return this.#values[3 * number]!;
  }

  second(number: number): number {
    return this.#values[3 * number + 1]!;
  }

  third(number: number): number {
    return this.#values[3 * number + 2]!;
  }

  #grow(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let number = 0; number < this.#size; number++) {
      let slot = hash(this.first(number), this.second(number), this.third(number)) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = number + 1;
    }
    this.#slots = slots;
  }
}

function hash(first: number, second: number, third: number): number {
  let mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b) ^ Math.imul(third, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}
