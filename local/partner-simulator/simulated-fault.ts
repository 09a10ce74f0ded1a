/**
 * The ways in which the simulated partner fails, and the words that ask for them.
 *
 * A word in a record asks for one: `SIM:V:500` (validation answers 500), `SIM:C:429-5:2` (coupon verification answers 429 with
 * `Retry-After: 5` to this record's first two calls), several with commas. Letters, digits, `:`, `-` and `,` only: they are the same
 * in every EBCDIC code page.
 */
import type { ApiName } from './partner-apis.ts';

/** `effect` says whether the operation was done although the caller does not hear of it. */
export type SimulatedFault =
  | { readonly type: 'status'; readonly status: number; readonly retryAfter?: string; readonly effect: boolean }
  /** A business failure, as the API words it. */
  | { readonly type: 'reject'; readonly isFinal: boolean; readonly effect: false }
  | { readonly type: 'slow'; readonly delayMs: number; readonly effect: true }
  | { readonly type: WireFault; readonly effect: boolean };

export type WireFault =
  | 'reset'
  | 'hang'
  | 'drip'
  | 'gzip-bomb'
  | 'redirect'
  | 'not-json'
  | 'empty'
  | 'short-body'
  | 'header-flood';

const WIRE_FAULTS: Readonly<Record<string, SimulatedFault>> = {
  reject: { type: 'reject', isFinal: false, effect: false },
  final: { type: 'reject', isFinal: true, effect: false },
  reset: { type: 'reset', effect: false },
  'reset-after': { type: 'reset', effect: true },
  timeout: { type: 'hang', effect: false },
  'timeout-after': { type: 'hang', effect: true },
  drip: { type: 'drip', effect: true },
  bomb: { type: 'gzip-bomb', effect: true },
  redirect: { type: 'redirect', effect: false },
  'not-json': { type: 'not-json', effect: true },
  empty: { type: 'empty', effect: true },
  short: { type: 'short-body', effect: true },
  headers: { type: 'header-flood', effect: true },
};

const GARBAGE_RETRY_AFTER = 'soon, perhaps; -1';
const DATE_AHEAD_MS = 5_000;
const LONGEST_SLOW_MS = 600_000;

/** `500`, `500-after`, `429-5`, `429-date`, `429-garbage`, `slow-250`, or one of the names above; undefined for anything else. */
export function parseFault(word: string, now: number): SimulatedFault | undefined {
  const name = word.toLowerCase();
  if (Object.hasOwn(WIRE_FAULTS, name)) return WIRE_FAULTS[name];
  const slow = /^slow-(\d{1,6})$/.exec(name);
  if (slow !== null) return { type: 'slow', delayMs: Math.min(Number(slow[1]), LONGEST_SLOW_MS), effect: true };
  const [, status, suffix] = /^([45]\d\d)(?:-(after|date|garbage|\d{1,5}))?$/.exec(name) ?? [];
  if (status === undefined) return undefined;
  const retryAfter =
    suffix === 'date'
      ? new Date(now + DATE_AHEAD_MS).toUTCString()
      : suffix === 'garbage'
        ? GARBAGE_RETRY_AFTER
        : suffix === 'after'
          ? undefined
          : suffix;
  return {
    type: 'status',
    status: Number(status),
    ...(retryAfter !== undefined && { retryAfter }),
    effect: suffix === 'after',
  };
}

export interface AskedFault {
  readonly word: string;
  /** For the record's first calls of this API; every call when undefined. */
  readonly times: number | undefined;
}

const API_LETTERS: Readonly<Record<string, ApiName>> = {
  V: 'validation',
  A: 'assignments',
  C: 'coupon-verification',
  R: 'coupon-redemption',
  U: 'unkeyed-redemption',
};

/** What a record's values ask of one API. */
export function findAskedFaults(values: readonly string[], api: ApiName): AskedFault[] {
  return values.flatMap((value) => {
    if (!value.startsWith('SIM:')) return [];
    return value
      .slice('SIM:'.length)
      .trimEnd()
      .split(',')
      .flatMap((part): AskedFault[] => {
        const [, letter = '', word = '', times] = /^([VACRU]):([A-Za-z0-9-]{1,20})(?::(\d{1,3}))?$/.exec(part) ?? [];
        if (API_LETTERS[letter] !== api) return [];
        return [{ word, times: times === undefined ? undefined : Number(times) }];
      });
  });
}
