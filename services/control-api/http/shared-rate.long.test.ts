/** The allowance of a customer at two processes of the API, over a whole window. */
import { expect, test } from 'vitest';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { type ApiProcess, startApiProcess } from '#testkit/beds/start-api-process.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';

test('two processes let in together what one customer may', async () => {
  const RATE = 20;
  const started: ApiProcess[] = [];
  try {
    const one = await startApiProcess({ LONGSHORE_API_RATE_PER_SECOND: String(RATE) });
    started.push(one);
    const other = await startApiProcess({
      LONGSHORE_API_RATE_PER_SECOND: String(RATE),
      DATABASE_URL: one.databaseUrl,
    });
    started.push(other);
    const ask = async (api: ApiProcess, key = one.keys.acme) => {
      const reply = await fetch(`${api.url}/status?file_id=a`, { headers: { 'x-api-key': key } });
      await reply.arrayBuffer();
      return { status: reply.status, retryAfter: Number(reply.headers.get('retry-after')) };
    };
    const read = connectDatabase(
      {
        DATABASE_URL: one.databaseUrl,
        DATABASE_POOL_MAX: 1,
        DATABASE_PREPARE: true,
        DATABASE_STATEMENT_TIMEOUT_MS: 5_000,
      },
      'test',
    );
    try {
      // Each process knows of the other from now on.
      await waitUntil(
        'both processes serve the customer',
        async () => {
          await Promise.all([ask(one), ask(other)]);
          const [row] = await read`
          SELECT count(DISTINCT process)::int AS processes FROM api_rates WHERE customer = 'tenant:acme' AND slot >= (SELECT max(slot) FROM api_rates)`;
          return row?.processes === 2;
        },
        { timeoutMs: 60_000, intervalMs: 500 },
      );
      const slots = new Map<number, number>();
      const spent = async () => {
        for (const row of await read`SELECT slot::int, sum(requests)::int AS requests FROM api_rates WHERE customer = 'tenant:acme' GROUP BY 1`)
          slots.set(row.slot, row.requests);
      };
      const [first] = await read`SELECT max(slot)::int AS slot FROM api_rates`;
      const limited: number[] = [];
      await waitUntil(
        'a whole window is over',
        async () => {
          const replies = await Promise.all(
            Array.from({ length: 20 }, (_, index) => ask(index % 2 === 0 ? one : other)),
          );
          limited.push(...replies.filter(({ status }) => status === 429).map(({ retryAfter }) => retryAfter));
          await spent();
          // A whole window has passed since both knew of each other.
          return [...slots.keys()].some((slot) => slot >= (first?.slot ?? 0) + 2);
        },
        { timeoutMs: 60_000 },
      );
      expect(limited.length).toBeGreaterThan(0);
      expect(Math.min(...limited)).toBeGreaterThanOrEqual(1);
      expect(Math.max(...limited)).toBeLessThanOrEqual(10);
      const whole = slots.get((first?.slot ?? 0) + 1);
      expect(whole).toBeGreaterThanOrEqual(RATE * 9);
      expect(whole).toBeLessThanOrEqual(RATE * 10 + 5);
      expect((await ask(other, one.keys.globex)).status).toBe(404);
    } finally {
      await read.end({ timeout: 5 });
    }
  } finally {
    for (const api of started.reverse()) await api.stop();
  }
});
