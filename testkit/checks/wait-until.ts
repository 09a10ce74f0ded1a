/** Bounded waiting for a condition: what tests do instead of sleeping. */
import { setTimeout as delay } from 'node:timers/promises';

export interface WaitUntilOptions {
  readonly timeoutMs: number;
  readonly intervalMs?: number;
  /** What the error tells about the state of things when the time is over. */
  readonly explain?: () => Promise<string>;
}

const DEFAULT_INTERVAL_MS = 100;

/**
 * Asks `look` until it gives something other than `undefined` or `false`, and resolves to that.
 *
 * @throws an error that names `what`, what `look` threw last, and what `explain` tells.
 */
export async function waitUntil<Value>(
  what: string,
  look: () => Promise<Value | undefined | false> | Value | undefined | false,
  { timeoutMs, intervalMs = DEFAULT_INTERVAL_MS, explain }: WaitUntilOptions,
): Promise<Value> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  do {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await delay(intervalMs);
  } while (performance.now() < deadline);
  const explained = explain === undefined ? '' : `\n${await explain().catch((error: unknown) => String(error))}`;
  throw new Error(`${what}: not within ${timeoutMs} ms${explained}`, { cause: lastError });
}
