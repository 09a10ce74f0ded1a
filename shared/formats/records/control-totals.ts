/** Sums of columns over the records of a file, exact, to compare with what its trailer says. */
import { decimalsOf, scaled, unscaled } from './decimal-text.ts';
import type { ControlTotal, RecordValues } from './record-item.ts';

interface Sum {
  readonly column: string;
  readonly sumOf: string;
  units: bigint;
  scale: number;
  /** Gathered apart and added to `units` now and then: BigInts cost more than a record's columns together. */
  smallUnits: number;
  declared: string | undefined;
}

const LARGEST_SMALL = 2 ** 52;
const LARGEST_SMALL_TEXT = 14;

export class ControlTotals {
  readonly #sums: readonly Sum[];
  /** A record could not be read: the sums are of the others. */
  #isIncomplete = false;

  constructor(totals: readonly { readonly column: string; readonly sumOf: string }[]) {
    this.#sums = totals.map((total) => ({ ...total, units: 0n, scale: 0, smallUnits: 0, declared: undefined }));
  }

  unreadable(): void {
    this.#isIncomplete = true;
  }

  /** An absent value is one that could not be read; null adds nothing. */
  add(values: RecordValues): void {
    for (const sum of this.#sums) {
      const value = values[sum.sumOf];
      if (value === undefined) this.#isIncomplete = true;
      else if (typeof value === 'string') addTo(sum, value);
    }
  }

  declare(values: RecordValues): void {
    for (const sum of this.#sums) {
      const declared = values[sum.column];
      sum.declared = typeof declared === 'string' ? declared : undefined;
    }
  }

  compare(): (ControlTotal & { readonly isEqual: boolean })[] {
    return this.#sums.map((sum) => {
      settle(sum);
      const declared = sum.declared ?? '0';
      const scale = Math.max(sum.scale, decimalsOf(declared));
      const total = sum.units * 10n ** BigInt(scale - sum.scale);
      return {
        column: sum.column,
        sumOf: sum.sumOf,
        declared,
        sum: unscaled(sum.units, sum.scale),
        isCompared: !this.#isIncomplete,
        isEqual: total === scaled(declared, scale),
      };
    });
  }
}

function addTo(sum: Sum, value: string): void {
  const decimals = decimalsOf(value);
  if (decimals > sum.scale) {
    settle(sum);
    sum.units *= 10n ** BigInt(decimals - sum.scale);
    sum.scale = decimals;
  }
  if (decimals === sum.scale && value.length <= LARGEST_SMALL_TEXT) {
    sum.smallUnits += Number(decimals === 0 ? value : value.slice(0, -decimals - 1) + value.slice(-decimals));
    if (sum.smallUnits > LARGEST_SMALL || sum.smallUnits < -LARGEST_SMALL) settle(sum);
  } else sum.units += scaled(value, sum.scale);
}

function settle(sum: Sum): void {
  sum.units += BigInt(sum.smallUnits);
  sum.smallUnits = 0;
}
