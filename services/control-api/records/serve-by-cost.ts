/**
 * What takes long to read and many ask for, by key.
 *
 * 1. An answer serves all who ask for ten times as long as it took to read: however often it is asked for, reading takes a tenth of one
 *    connection at most.
 * 2. Who asks again soon after gets the answer before, while the next is read: nobody who watches waits.
 * 3. Two keys are read at once; a read that takes longer than a statement may is an error like any other.
 */
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';

export interface ServeByCostOptions<Answer> {
  readonly read: (key: string) => Promise<Answer>;
  readonly atLeastMs?: number;
  /** Monotonic, in ms. */
  readonly now?: (() => number) | undefined;
}

const READS_AT_ONCE = 2;
const SERVES_TIMES = 10;
const REMEMBERED = 1_000;

export function serveByCost<Answer extends object>({
  read,
  atLeastMs = 1,
  now = () => performance.now(),
}: ServeByCostOptions<Answer>): (key: string) => Promise<Answer> {
  const limit = pLimit(READS_AT_ONCE);
  const answers = new LRUCache<string, Answer>({
    max: REMEMBERED,
    ttl: 1,
    ttlResolution: 0,
    perf: { now },
    ignoreFetchAbort: true,
    fetchMethod: (key, _before, { options }) =>
      limit(async () => {
        const begun = now();
        const answer = await read(key);
        // 0 would be for ever.
        options.ttl = Math.max(atLeastMs, (now() - begun) * SERVES_TIMES);
        lifetimes.set(answer, options.ttl);
        return answer;
      }),
  });
  const lifetimes = new WeakMap<Answer, number>();
  return async (key) => {
    const before = answers.peek(key, { allowStale: true });
    const isWatched = before !== undefined && -answers.getRemainingTTL(key) < (lifetimes.get(before) ?? 0);
    return await answers.forceFetch(key, { allowStale: isWatched });
  };
}
