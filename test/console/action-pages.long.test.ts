/** Thousands of failures are retried from the list as one set, and what is sent as new waits for a second person, in a real browser. */
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advanceActions } from '#services/retry-sweeper/advance-actions.ts';
import { createRetrySweeperMetrics } from '#services/retry-sweeper/metrics.ts';
import { loadRouteDefinitions } from '#shared/definitions/load-routing-input.ts';
import { RouteCache } from '#shared/definitions/route-cache.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { findBarriers, noBrowser, type OpenConsole, openConsole } from '#testkit/beds/open-console.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

const FAILURES = 5_000;
const CANARY = 10;

describe.skipIf(noBrowser !== undefined)(`pages of actions (${noBrowser ?? 'in Chromium'})`, () => {
  let api: TestApi;
  let address: string;
  let operator: OpenConsole;

  beforeAll(async () => {
    await askTestRun('pages');
    api = await startTestApi();
    address = await api.app.listen({ host: '127.0.0.1', port: 0 });
    await seedTenant(api.sql);
    await api.sql`
      WITH numbered AS (SELECT uuid_v7() AS id, n, now() - n * interval '1 second' AS at FROM generate_series(1, ${FAILURES}::int) AS n),
      arrived AS (
        INSERT INTO files (id, tenant_id, bucket, key, version_id, name, size_bytes, etag, source, uploaded_at, order_key, status,
          routed_at, finished_at, archived_at, failed_jobs, error_code, error_cause, error_message, created_at)
        SELECT id, 'acme', 'test-landing', 'acme/in/' || n, 'v', n || '.csv', 100, n::text, 's3', at, 'in', 'FAILED', at, at, at, 1,
          'DELIVERY_ERROR', 'HTTP_503', 'x', at
        FROM numbered)
      INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue,
        error_code, error_cause, error_message, finished_at, created_at)
      SELECT uuid_v7(), 'acme', n.id, r.id, v.id, 'FAILED', 'deliver', 1, 3, 'partner-steps', 'DELIVERY_ERROR', 'HTTP_503', 'x', at, at
      FROM numbered n CROSS JOIN routes r JOIN route_versions v ON v.route_id = r.id`;
    await api.sql`ANALYZE`;
    operator = await openConsole(await linkOf(api.keys.operator));
  }, 180_000);
  afterAll(async () => {
    await operator?.close();
    await api?.stop();
  });

  async function linkOf(key: string): Promise<string> {
    const headers = { 'x-api-key': key, host: new URL(address).host };
    return (await api.app.inject({ method: 'POST', url: '/api/v1/sign-in-links', headers })).json().url;
  }

  /** What the retry-sweeper does, one set at a time. */
  async function advance(): Promise<'again' | 'rest'> {
    const next = await advanceActions({
      sql: api.sql,
      routes: new RouteCache({ load: async (id) => (await loadRouteDefinitions(api.sql, [id])).get(id)?.definition }),
      senders: { sendJobs: async () => 0, sendFiles: async () => 0 },
      sendLetters: async (letters) => letters.map(() => ({ ok: true, messageId: 'm' })),
      admissionWindow: FAILURES,
      retentionMs: 86_400_000,
      metrics: createRetrySweeperMetrics(new Registry()),
      logger: createLogger({ service: 'test', level: 'fatal' }),
    });
    return next === 'again' ? 'again' : 'rest';
  }
  async function advanceUntilRest(): Promise<void> {
    while ((await advance()) === 'again');
  }
  const newest = async () =>
    (
      await api.sql<{ id: string; state: string; done: number }[]>`
      SELECT id, state, done FROM actions ORDER BY created_at DESC LIMIT 1`
    )[0];

  test('5,000 failures: all that match, the first ten, a pause, on again, and an end; the filter stays', async () => {
    const { page } = operator;
    await page.goto(`${address}/console/files?status=failed&code=DELIVERY_ERROR`);
    await page.getByText('5,000', { exact: true }).waitFor();
    await page.reload();
    await page.getByText('5,000', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Jobs', exact: true }).click();
    await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    await page.goBack();
    await page.getByText('5,000', { exact: true }).waitFor();
    expect(new URL(page.url()).searchParams.get('code')).toBe('DELIVERY_ERROR');

    await page.getByRole('grid').getByRole('row').nth(1).click();
    await page.keyboard.press('x');
    await page.getByRole('button', { name: 'Select all 5,000 that match' }).click();
    await page.keyboard.press('r');
    const sheet = page.getByRole('dialog');
    await sheet.getByText(/^Takes/).waitFor();
    await sheet.getByRole('checkbox').first().check();
    await sheet.getByLabel('Reason').fill('INC-4711 the partner is back');
    await sheet.getByLabel(`Type ${FAILURES}`).fill(String(FAILURES));
    expect(await findBarriers(page)).toEqual([]);
    await sheet.getByRole('button', { name: /^Retry 5,000/ }).click();
    await expect.poll(async () => (await newest())?.state).toBe('RUNNING');
    await advanceUntilRest();
    const action = await newest();
    expect(action).toMatchObject({ state: 'PAUSED', done: CANARY });

    await page.goto(`${address}/console/actions/${action?.id}`);
    await page.getByText('The first ones are done.').waitFor();
    expect(await findBarriers(page)).toEqual([]);
    await page.getByRole('button', { name: 'Continue' }).click();
    await expect.poll(async () => (await newest())?.state).toBe('RUNNING');
    await advance();
    await page.getByRole('button', { name: 'Pause' }).click();
    await expect.poll(async () => (await newest())?.state).toBe('PAUSED');
    await page.getByText('Somebody paused it.').waitFor();
    await page.getByRole('button', { name: 'Abort' }).click();
    await expect.poll(async () => (await newest())?.state).toBe('ABORTED');
    await advanceUntilRest();
    const left = await api.sql<{ n: number }[]>`SELECT count(*)::int AS n FROM jobs WHERE state = 'FAILED'`;
    const done = (await newest())?.done ?? 0;
    expect(done).toBeGreaterThan(CANARY);
    expect(left).toEqual([{ n: FAILURES - done }]);
  }, 180_000);

  test('what is sent as new is approved by a second person, and not by the one who asked', async () => {
    const { page } = operator;
    // Before the action is run: a key that was made since approves nothing.
    const headers = { 'x-api-key': api.keys.operator };
    const payload = { tenant: null, label: 'second', role: 'admin' };
    const made = await api.app.inject({ method: 'POST', url: '/api/v1/keys', headers, payload });
    await api.sql`
      WITH sent AS (
        UPDATE jobs SET state = 'SUCCEEDED', error_code = NULL, error_cause = NULL, error_message = NULL
        WHERE id IN (SELECT id FROM jobs WHERE state = 'FAILED' LIMIT 2) RETURNING file_id)
      UPDATE files SET status = 'COMPLETED', failed_jobs = 0, error_code = NULL, error_cause = NULL, error_message = NULL
      WHERE id IN (SELECT file_id FROM sent)`;
    await page.goto(`${address}/console/files?status=completed`);
    await page.getByRole('grid').getByRole('row').nth(1).click();
    await page.keyboard.press('x');
    await page.locator('button[data-verb=resend]').click();
    const sheet = page.getByRole('dialog');
    await sheet.getByText(/^Takes/).waitFor();
    await sheet.getByLabel('Reason').fill('INC-4711 they lost it');
    await sheet.getByLabel('Type 1').fill('1');
    await sheet
      .getByRole('button', { name: /^Resend/ })
      .last()
      .click();
    await expect.poll(async () => (await newest())?.state).toBe('AWAITING_APPROVAL');
    const action = await newest();
    await page.goto(`${address}/console/actions/${action?.id}`);
    const own = page.getByRole('button', { name: 'Approve' });
    await own.waitFor();
    expect(await own.getAttribute('aria-disabled')).toBe('true');
    await own.click({ force: true });
    expect(await advance()).toBe('rest');
    expect((await newest())?.state).toBe('AWAITING_APPROVAL');

    const second = await openConsole(await linkOf(made.json().key));
    try {
      await second.page.goto(`${address}/console/actions/${action?.id}`);
      await second.page.getByRole('button', { name: 'Approve' }).click();
      await expect.poll(async () => (await newest())?.state).toBe('RUNNING');
      await second.page.getByText('approved by').waitFor();
    } finally {
      await second.close();
    }
    expect(operator.faults).toEqual([]);
  });
});
