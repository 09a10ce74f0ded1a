/** Calls of the simulated partner's three APIs by Node's own HTTP client, and nothing else: the yardstick of calls per second. */
import { Agent, request } from 'node:http';

export interface BareCallsOptions {
  readonly origin: string;
  readonly records: number;
  readonly concurrency: number;
  /** Part of the records' keys, so that no two runs share one. */
  readonly run: string;
}

/** Resolves to calls per second. Each record goes through its three calls in order, as the fleet's records do. */
export async function measureBareCalls({ origin, records, concurrency, run }: BareCallsOptions): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const call = (method: string, path: string, body?: object) =>
    new Promise<unknown>((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const sent = request(`${origin}${path}`, { method, agent, headers, timeout: 10_000 }, (reply) => {
        const pieces: Buffer[] = [];
        reply.on('data', (piece: Buffer) => pieces.push(piece));
        reply.on('error', reject);
        reply.on('end', () =>
          reply.statusCode === 200
            ? resolve(JSON.parse(Buffer.concat(pieces).toString()))
            : reject(new Error(`HTTP ${reply.statusCode}`)),
        );
      });
      sent.on('timeout', () => sent.destroy(new Error('no reply in time')));
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  let next = 0;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < records) {
        next += 1;
        const recordKey = `${run}-${next}`;
        await call('POST', '/validation', { recordKey, isin: 'XS0000000000', coupon: '12' });
        await call('GET', `/assignments?recordKey=${recordKey}&isin=XS0000000000`);
        await call('POST', '/baec/coupon-verifications', { recordKey, isin: 'XS0000000000', coupon: '12' });
      }
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  agent.destroy();
  return (records * 3) / seconds;
}
