/** What a soak sends in a minute, and what it breaks meanwhile. Everything is drawn from the seed, so a run can be repeated. */
import { SERVICE_NAMES } from '#local/launcher/processes.ts';
import type { Behaviour } from '#testkit/servers/simulated-partner.ts';

export const TENANTS = ['acme', 'globex', 'initech'] as const;
export type TenantName = (typeof TENANTS)[number];

/** Larger files are copied by the large-file-worker, in parts. */
export const LARGE_THRESHOLD_BYTES = 6_000_000;
export const LARGE_BYTES = { from: 6_000_001, to: 18_000_000 } as const;
export const SMALL_BYTES = { from: 1, to: 16_384 } as const;
/** With every so many small files goes one of the other kinds. */
export const SMALL_FILES_PER_LARGE_ROUND = 120;
/** Side by side, from different tenants. */
export const LARGE_PER_ROUND = 3;
export const SMALL_FILES_PER_RECORD_FILE = 40;
export const RECORDS_PER_FILE = 60;
/** Of the small files; the others are put straight into the landing bucket. */
export const SFTP_SHARE = 0.3;

/** Programs that may die at any time. The stores are killed by their own tests, which know what is in flight. */
export const MORTAL = [...SERVICE_NAMES, 'event-bridge', 'sftp', 'postgres'] as const;

export interface StoreWeather {
  readonly name: string;
  /** Of the services' S3 requests, from 0 to 1. */
  readonly refusedShare: number;
}

export interface PartnerWeather extends Behaviour {
  readonly name: string;
}

const STORE_WEATHERS: readonly StoreWeather[] = [
  { name: 'calm', refusedShare: 0 },
  { name: '2 % refused', refusedShare: 0.02 },
  { name: '10 % refused', refusedShare: 0.1 },
];

const PARTNER_WEATHERS: readonly PartnerWeather[] = [
  { name: 'calm' },
  { name: 'slow', latencies: [{ api: '*', fromMs: 100, toMs: 800 }] },
  { name: '500 for a fifth', faults: [{ api: '*', fault: '500', share: 0.2 }] },
  { name: '429 for a third', faults: [{ api: '*', fault: '429-0', share: 0.33 }] },
  {
    name: 'resets',
    faults: [
      { api: '*', fault: 'reset', share: 0.1 },
      { api: '*', fault: 'reset-after', share: 0.05 },
    ],
  },
  { name: 'silence', faults: [{ api: '*', fault: 'timeout-after', share: 0.03 }] },
  { name: 'nonsense', faults: [{ api: '*', fault: 'not-json', share: 0.1 }] },
  { name: 'down', faults: [{ api: '*', fault: '503-5', share: 1 }] },
];

export interface SoakMinute {
  readonly killed: (typeof MORTAL)[number];
  /** After the minute began. */
  readonly killAtS: number;
  readonly store: StoreWeather;
  readonly partner: PartnerWeather;
}

export function planMinute(random: () => number): SoakMinute {
  return {
    killed: pick(MORTAL, random),
    killAtS: 10 + Math.floor(random() * 30),
    store: pick(STORE_WEATHERS, random),
    partner: pick(PARTNER_WEATHERS, random),
  };
}

export function pick<Value>(values: readonly Value[], random: () => number): Value {
  return values[Math.floor(random() * values.length)]!;
}

export function between({ from, to }: { readonly from: number; readonly to: number }, random: () => number): number {
  return from + Math.floor(random() * (to - from + 1));
}
