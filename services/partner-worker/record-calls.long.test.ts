/** Record files through the partner-worker as a process: parsed, each record through three APIs, results written, whatever is killed. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findLedgerViolations } from '#local/partner-simulator/find-ledger-violations.ts';
import { applyDefinition, applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { controlPartner } from '#shared/partners/control-partner.ts';
import { startTestPartner } from '#testkit/beds/partner-simulator-bed.ts';
import { startWorkBed, type WorkBed, type WorkerProcess } from '#testkit/beds/start-work-bed.ts';

const MAIN = new URL('main.ts', import.meta.url);
const ENV = { LONGSHORE_PARTNER_ADDRESSES: '127.0.0.0/8', LONGSHORE_SECRETS_DIRECTORY: '/nonexistent' };

let bed: WorkBed;
let partner: Awaited<ReturnType<typeof startTestPartner>>;
let worker: WorkerProcess | undefined;

beforeAll(async () => {
  bed = await startWorkBed();
});
afterAll(() => bed.stop());

beforeEach(async () => {
  await bed.clear();
  await applyTenants(
    bed.sql,
    [{ id: 'acme', name: 'Acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [] }],
    'test',
  );
  partner = await startTestPartner();
  // Each kill counts a try of what was under way.
  await applyDefinitions(partner.simulator.url, 20);
});

afterEach(async () => {
  await worker?.end('SIGKILL');
  worker = undefined;
  await partner.stop();
});

async function applyDefinitions(baseUrl: string, maxSweeps: number): Promise<void> {
  const fields = { recordKey: '{{ record.id }}', magic: '{{ record.magic }}' };
  const checks = { idempotent: true, output: { reference: 'reference' }, referenceFrom: 'reference' };
  const operations = {
    validate: { ...checks, method: 'POST', path: '/validation', body: fields },
    assign: { ...checks, method: 'GET', path: '/assignments', query: fields },
    verify: { ...checks, method: 'POST', path: '/baec/coupon-verifications', body: fields },
  };
  const apis = { kind: 'partner', tenant: 'acme', name: 'globex', baseUrl, timeout: '2s', operations };
  await applyDefinition(
    bed.sql,
    'partner',
    { tenantId: 'acme', name: 'globex', definition: apis, definitionHash: randomUUID() },
    'test',
  );
  const definition = {
    kind: 'route',
    tenant: 'acme',
    name: 'rfi',
    match: { path: ['**'] },
    retry: { maxAttempts: 20, maxSweeps, firstDelay: 0, maxDelay: 0 },
    records: { format: 'csv', columns: [{ name: 'id', required: true }, { name: 'magic' }], businessKey: ['id'] },
    steps: [
      { parse: {} },
      ...Object.keys(operations).map((operation) => ({
        call: { partner: 'globex', operation, code: `${operation.toUpperCase()}_ERROR` },
      })),
    ],
  };
  await applyRoute(bed.sql, { tenantId: 'acme', name: 'rfi', definition, definitionHash: randomUUID() }, 'test');
}

async function countStates(): Promise<Record<string, number>> {
  const rows = await bed.sql<{ state: string; count: number }[]>`
    SELECT state, count(*)::int AS count FROM records GROUP BY state`;
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

const rfi = (records: number, magic: Readonly<Record<number, string>> = {}) =>
  Buffer.from(
    `id,magic\n${Array.from({ length: records }, (_, index) => `R${index + 1},${magic[index + 1] ?? 'none'}`).join('\n')}\n`,
  );

async function expectSound(): Promise<void> {
  expect(await bed.violations()).toEqual([]);
  expect(findLedgerViolations(partner.simulator.ledger.calls)).toEqual([]);
}

test('a file walks through, record by record, one recovers at its third API, and the results are given back', async () => {
  await applyDefinitions(partner.simulator.url, 2);
  const jobs = await bed.putFiles({ count: 1, bodyOf: () => rfi(500, { 7: 'SIM:C:500:2', 8: 'SIM:A:404' }) });
  worker = await bed.startWorker(MAIN, { ...ENV, LONGSHORE_LEASE_MS: '30000' });
  await bed.wakeUps.sendJobs(jobs);
  await bed.untilCompleted(1);
  expect(await countStates()).toEqual({ SUCCESS: 499, FAILED: 1 });
  const callsOf = (record: string) => partner.simulator.ledger.find({ record, limit: 100 }).map(({ api }) => api);
  const [coupon, assignments] = ['coupon-verification', 'assignments'];
  expect(callsOf('R7')).toEqual(['validation', assignments, coupon, coupon, coupon]);
  expect(callsOf('R8')).toEqual(['validation', ...Array.from({ length: 3 }, () => assignments)]);
  const [file] = await bed.sql<{ name: string }[]>`SELECT name FROM files`;
  const results = (await bed.readObject('outbound', `acme/results/inbound/${file?.name}`)).toString();
  expect(results.split('\n').filter((line) => line.includes('ASSIGN_ERROR'))).toHaveLength(1);
  expect(results.trimEnd().split('\n')).toHaveLength(501);
  await expectSound();
  const chunks = worker.lines.filter(({ msg }) => msg === 'chunk handled');
  expect(chunks.length).toBeGreaterThanOrEqual(5);
  expect(JSON.stringify(worker.lines)).not.toContain('SIM:');
});

test('killed again and again in the middle, it carries every record to its end', { timeout: 300_000 }, async () => {
  partner.simulator.setBehaviour({ latencies: [{ api: '*', fromMs: 1, toMs: 20 }] });
  const jobs = await bed.putFiles({ count: 1, bodyOf: () => rfi(200) });
  await bed.wakeUps.sendJobs(jobs);
  const { ledger } = partner.simulator;
  for (let kill = 1; kill <= 2; kill += 1) {
    worker = await bed.startWorker(MAIN, ENV);
    const before = ledger.calls.length;
    await bed.sweepUntil(() => ledger.calls.length > before + 100);
    await worker.end('SIGKILL');
  }
  worker = await bed.startWorker(MAIN, ENV);
  await bed.untilCompleted(1);
  expect(await countStates()).toEqual({ SUCCESS: 200 });
  await expectSound();
});

test('on SIGTERM it ends in time, and what was under way goes on in the next one with no try lost', async () => {
  // Nothing runs out here, however slow the machine: what is left behind was given back.
  const env = { ...ENV, LONGSHORE_LEASE_MS: '30000' };
  partner.simulator.setBehaviour({ latencies: [{ api: '*', fromMs: 20, toMs: 60 }] });
  const jobs = await bed.putFiles({ count: 1, bodyOf: () => rfi(150) });
  worker = await bed.startWorker(MAIN, env);
  await bed.wakeUps.sendJobs(jobs);
  await bed.sweepUntil(() => partner.simulator.ledger.calls.length > 100);
  expect(await worker.end('SIGTERM')).toBe(0);
  const [left] = await bed.sql<{ running: number; leased: number }[]>`
    SELECT (SELECT count(*)::int FROM records WHERE state = 'RUNNING') AS running,
      (SELECT count(*)::int FROM record_chunks WHERE lease_until IS NOT NULL) AS leased`;
  expect(left).toEqual({ running: 0, leased: 0 });
  worker = await bed.startWorker(MAIN, env);
  await bed.untilCompleted(1);
  expect(await countStates()).toEqual({ SUCCESS: 150 });
  expect(partner.simulator.ledger.calls).toHaveLength(450);
  await expectSound();
});

test('killed while an operator has its partner paused, nothing is called, and no try is lost by it', async () => {
  await applyDefinitions(partner.simulator.url, 2);
  partner.simulator.setBehaviour({ latencies: [{ api: '*', fromMs: 100, toMs: 200 }] });
  const say = (verb: 'pause' | 'resume') =>
    controlPartner(bed.sql, { tenantId: 'acme', name: 'globex', verb, reason: 'a test', actor: 'operator:ada' });
  const { ledger } = partner.simulator;
  const jobs = await bed.putFiles({ count: 1, bodyOf: () => rfi(400) });
  worker = await bed.startWorker(MAIN, ENV);
  await bed.wakeUps.sendJobs(jobs);
  await bed.sweepUntil(() => ledger.calls.length > 100);
  await say('pause');
  const isPaused = async () => {
    const rows = await bed.sql`SELECT 1 FROM jobs WHERE wait_reason = 'PARTNER_PAUSED' AND NOT EXISTS (
      SELECT 1 FROM record_chunks WHERE lease_until IS NOT NULL)`;
    return rows.length === 1;
  };
  await bed.sweepUntil(isPaused);
  const before = ledger.calls.length;
  const tries = () => bed.sql`SELECT line, job_id, step, state, tries FROM records ORDER BY job_id, line`;
  const stood = await tries();
  for (let kill = 0; kill < 2; kill += 1) {
    await worker.end('SIGKILL');
    worker = await bed.startWorker(MAIN, ENV);
    await bed.sql`UPDATE record_chunks SET next_action_at = now()`;
    const claims = async () =>
      (await bed.sql`SELECT 1 FROM record_chunks WHERE next_action_at <= now() OR lease_until IS NOT NULL`).length;
    await bed.sweepUntil(async () => (await claims()) === 0);
  }
  expect(ledger.calls).toHaveLength(before);
  expect(await tries()).toEqual(stood);
  partner.simulator.setBehaviour({});
  await say('resume');
  await bed.untilCompleted(1);
  expect(await countStates()).toEqual({ SUCCESS: 400 });
  await expectSound();
});
