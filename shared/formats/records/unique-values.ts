/**
 * Which values a file has had, in 12 bytes each.
 *
 * 1. Memory is bounded: past a number of values the file is refused, not the machine.
 * 2. Values are known by a hash of 64 bits: among three million, two different ones are taken for the same with a chance of 1 in 4 million.
 */
import { FormatFault } from '../format-fault.ts';

/** Over all unique columns of a file; the table then takes 48 MiB. */
const MOST_UNIQUE_VALUES = 3_000_000;
const FIRST_SLOTS = 1_024;
const WORDS = 3;

export class UniqueValues {
  /** Two words of hash and the line, per slot; line 0 is an empty slot. */
  #table = new Uint32Array(FIRST_SLOTS * WORDS);
  #slots = FIRST_SLOTS;
  #count = 0;

  /** The line that has had the value before; 0 when it is new, and is now taken. @throws FormatFault `COLUMN_UNIQUE_LIMIT`. */
  add(column: number, value: string, line: number): number {
    let a = 0x811c9dc5 ^ column;
    let b = 0x9e3779b9 ^ Math.imul(column + 1, 0x85ebca6b);
    for (let at = 0; at < value.length; at++) {
      const code = value.charCodeAt(at);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x5bd1e995);
      b ^= b >>> 15;
    }
    a = mixed(a ^ value.length);
    b = mixed(b);
    const slot = this.#find(a, b);
    const before = this.#table[slot + 2] as number;
    if (before !== 0) return before;
    if (this.#count === MOST_UNIQUE_VALUES) {
      throw new FormatFault('COLUMN_UNIQUE_LIMIT', `Over ${MOST_UNIQUE_VALUES} values have to be unique.`, line);
    }
    this.#put(slot, a, b, line);
    this.#count += 1;
    if (this.#count * 4 > this.#slots * 3) this.#grow();
    return 0;
  }

  #find(a: number, b: number): number {
    let slot = ((a >>> 0) & (this.#slots - 1)) * WORDS;
    while (this.#table[slot + 2] !== 0 && (this.#table[slot] !== a >>> 0 || this.#table[slot + 1] !== b >>> 0)) {
      slot += WORDS;
      if (slot === this.#table.length) slot = 0;
    }
    return slot;
  }

  #put(slot: number, a: number, b: number, line: number): void {
    this.#table[slot] = a;
    this.#table[slot + 1] = b;
    this.#table[slot + 2] = line;
  }

  #grow(): void {
    const old = this.#table;
    this.#slots *= 2;
    this.#table = new Uint32Array(this.#slots * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      const [a, b, line] = [old[at] as number, old[at + 1] as number, old[at + 2] as number];
      if (line !== 0) this.#put(this.#find(a, b), a, b, line);
    }
  }
}

/** The finaliser of MurmurHash3, so that every bit of the text reaches every bit of the slot. */
function mixed(hash: number): number {
  let value = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
