/**
 * `npm run bench -- campaign-status`: how fast the status of a campaign with very many messages is read.
 *
 * 1. A small campaign is sent, then its records are multiplied in the database: what is read is what a long list leaves, without the hours of
 *    sending it. Two statements side by side take the processors that two cores have.
 * 2. The first read, which nobody has the answer of yet, is shown apart; the others follow each other, as those of a page that is watched.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { ask, type CampaignsApi, makeTemplate, measureStatus, startCampaign } from './campaign-requests.ts';
import { round } from './fleet-requests.ts';
import { withHome, withStack } from './with-stack.ts';

export interface CampaignStatusBenchOptions {
  readonly messages: number;
  readonly json: boolean;
}

const TENANT = 'lister';
const FIRST = 100;
const ROWS_AT_ONCE = 250_000;
const SEEDED_AT_ONCE = 2;
const TIMEOUT_MS = 120_000;
const POLL_MS = 200;
const SENDER = `kind: sender
tenant: ${TENANT}
name: bills
from: Bench <bench@mail.example.com>
transport: ses
limits: { ratePerSecond: 1000, concurrency: 8 }
topics: [{ name: billing, class: transactional }]
`;
const statusSchema = z.object({ status: z.string(), messages: z.object({ sent: z.number() }) });

export async function runCampaignStatusBench({ messages, json }: CampaignStatusBenchOptions): Promise<void> {
  const result = await withHome((home) =>
    withStack({ home, isDisposable: true, env: { all: { LOG_LEVEL: 'warn' } } }, async (stack, { sql }) => {
      const api = { stack, key: (await readFile(stack.endpoints.operatorKeyFile, 'utf8')).trim() };
      await applyTenantDocuments(sql, TENANT, SENDER);
      await makeTemplate(api, TENANT, '');
      const id = await startCampaign(api, { tenant: TENANT, sender: 'bills', recipients: FIRST });
      const status = () => ask(api, `campaigns/${id}/status`, statusSchema);
      const deadline = performance.now() + TIMEOUT_MS;
      while ((await status()).status !== 'SENT') {
        if (performance.now() > deadline) throw new Error('the campaign was not sent in time');
        await sleep(POLL_MS);
      }
      await seed(sql, id, messages);
      // As while it is sent, before its last chunk lets the job end.
      await sql`UPDATE job_steps SET output = output || jsonb_build_object('records', ${messages}::bigint) WHERE job_id = ${id} AND kind = 'parse'`;
      const [ended] = await sql<{ stepKind: string; finishedAt: Date }[]>`
        SELECT step_kind AS "stepKind", finished_at AS "finishedAt" FROM jobs WHERE id = ${id}`;
      await sql`
        UPDATE jobs SET state = 'WAITING', step_kind = 'call', next_action_at = now() + interval '1 day', record_summary = NULL, finished_at = NULL
        WHERE id = ${id}`;
      const underWay = await measure(api, id, messages);
      const summary = JSON.stringify({ byState: { SUCCESS: messages }, byCode: {}, durationMs: 1 });
      await sql`
        UPDATE jobs SET state = 'SUCCEEDED', step_kind = ${ended?.stepKind ?? ''}, next_action_at = NULL, record_summary = ${summary}::text::jsonb,
          finished_at = ${ended?.finishedAt ?? null} WHERE id = ${id}`;
      const sent = await measure(api, id, messages);
      return { messages, underWay, sent, wanted: { p99Ms: 20 } };
    }),
  );
  const shown = ({ firstMs, p50, p99 }: typeof result.sent) =>
    `first read ${firstMs} ms, then p50 ${p50} ms, p99 ${p99} ms`;
  const text = `${messages} messages, p99 wanted ${result.wanted.p99Ms} ms\nwhile it is sent: ${shown(result.underWay)}\nonce it is sent: ${shown(result.sent)}`;
  process.stdout.write(`${json ? JSON.stringify(result) : text}\n`);
}

async function seed(sql: Sql, id: string, messages: number): Promise<void> {
  const startedMs = performance.now();
  const last = messages + 1;
  let next = FIRST + 2;
  const seedRanges = async () => {
    while (next <= last) {
      const from = next;
      next += ROWS_AT_ONCE;
      await sql`
        INSERT INTO records (job_id, line, created_at, tenant_id, state, step, tries, business_key, "values", reference)
        SELECT r.job_id, n, r.created_at, r.tenant_id, r.state, r.step, r.tries, '["r' || n || '@example.com"]',
          jsonb_build_object('email', 'r' || n || '@example.com', 'n', n::text), 'bench-' || n
        FROM records r, generate_series(${from}::bigint, ${Math.min(last, next - 1)}::bigint) AS n WHERE r.job_id = ${id} AND r.line = 2`;
    }
  };
  await Promise.all(Array.from({ length: SEEDED_AT_ONCE }, seedRanges));
  await sql.unsafe('VACUUM ANALYZE records');
  process.stderr.write(`seeded in ${Math.round((performance.now() - startedMs) / 1_000)} s\n`);
}

/** Until what was counted before is forgotten; the longest read is the first one's. */
async function measure(api: CampaignsApi, id: string, messages: number) {
  const deadline = performance.now() + TIMEOUT_MS;
  let firstMs = 0;
  for (;;) {
    const startedMs = performance.now();
    const { messages: counted } = await ask(api, `campaigns/${id}/status`, statusSchema);
    firstMs = Math.max(firstMs, performance.now() - startedMs);
    if (counted.sent === messages) break;
    if (performance.now() > deadline) throw new Error(`${counted.sent} of ${messages} were counted`);
    await sleep(POLL_MS);
  }
  return { firstMs: round(firstMs), ...(await measureStatus(api, id)) };
}
