/** How the partner behaves apart from magic values: latencies, and faults by share. Changed while it runs by `PUT /_behaviour`. */
import { z } from 'zod';
import { API_NAMES, type ApiName } from './partner-apis.ts';
import { parseFault } from './simulated-fault.ts';

const apiSchema = z.enum([...API_NAMES, '*']);

export const behaviourSchema = z.strictObject({
  /** Before each reply. */
  latencies: z
    .array(
      z.strictObject({ api: apiSchema, fromMs: z.number().min(0).max(60_000), toMs: z.number().min(0).max(60_000) }),
    )
    .max(50)
    .default([]),
  /** The first that hits is played. */
  faults: z
    .array(
      z.strictObject({
        api: apiSchema,
        fault: z.string().refine((word) => parseFault(word, 0) !== undefined, { error: 'is not a fault' }),
        /** Of the calls, from 0 to 1. */
        share: z.number().min(0).max(1).default(1),
      }),
    )
    .max(50)
    .default([]),
});
export type Behaviour = z.output<typeof behaviourSchema>;

export function chooseLatencyMs({ latencies }: Behaviour, api: ApiName, random: () => number): number {
  const latency = latencies.find((each) => each.api === api || each.api === '*');
  return latency === undefined ? 0 : latency.fromMs + random() * Math.max(0, latency.toMs - latency.fromMs);
}

export function chooseFault({ faults }: Behaviour, api: ApiName, random: () => number): string | undefined {
  return faults.find((each) => (each.api === api || each.api === '*') && random() < each.share)?.fault;
}

/** Small, seeded: the same seed gives the same run. mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
