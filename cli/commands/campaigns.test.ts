/** Each command of campaigns against an API with a real store: what is sent is not looked at here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

const directory = mkdtempSync(join(tmpdir(), 'longshore-cli-'));
const SENDER = {
  ...{ kind: 'sender', tenant: 'acme', name: 'bills', from: 'Acme <bills@acme.example>', transport: 'ses' },
  topics: [{ name: 'billing', class: 'transactional' }],
};
let api: TestApi;
let s3: S3TestServer;
let longshore: ReturnType<typeof longshoreAt>;

beforeAll(async () => {
  s3 = await startTestServer();
  for (const bucket of ['test-landing', 'test-staging']) s3.server.createBucket(bucket);
  api = await startTestApi({ s3: { endpoint: s3.server.url, region: 'us-east-1', credentials: TEST_CREDENTIAL } });
  longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.acme);
  const sender = { tenantId: 'acme', name: 'bills', definition: SENDER, definitionHash: 'x' };
  await applyDefinition(api.sql, 'sender', sender, 'test');
});
afterAll(async () => {
  await api.stop();
  await s3.stop();
  rmSync(directory, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
const run = async (...args: string[]) => {
  const { code, out, err } = await longshore(...args);
  expect(code, err).toBe(0);
  return out;
};

test('a template is uploaded and checked, a campaign made of it, paused, resumed and cancelled', async () => {
  const bad = write('bad.html', '<title>x</title>\n<script>x</script>');
  expect(await run('templates', 'put', bad, '--name', 'bill', '--topic', 'billing')).toMatch(
    /^bill@1 {2}INVALID(.|\n)*line 2: TEMPLATE_UNSAFE/,
  );
  const good = write('bill.html', '<title>Bill {{ n }}</title><p>{{ n }}</p>');
  expect(await run('templates', 'put', good, '--name', 'bill', '--topic', 'billing')).toBe('bill@2  READY  n\n');
  const rows = write('june.csv', 'E-Mail,n\nada@example.com,1\n');
  const create = ['campaigns', 'create', rows, '--template', 'bill@2', '--sender', 'bills', '--email', 'E-Mail'];
  expect(await run(...create, '--name', 'June', '--hold', '--default', 'n=0')).toMatch(/^[0-9a-f-]{36} {2}HELD\n$/);
  expect(await run('campaigns')).toMatch(/acme +June +HELD/);
  expect(await run('campaigns', 'status', 'June')).toMatch(/^June: HELD \(REQUESTED\)/);
  expect(await run('campaigns', 'resume', 'June', '--reason', 'seen')).toMatch(/^June: (?:AWAITING_FILE|PREPARING)/);
  expect(await run('campaigns', 'pause', 'June')).toMatch(/^June: PAUSED/);
  expect(await run('campaigns', 'cancel', 'June')).toMatch(/^June: CANCELLED/);
});

test('senders are listed, with the commands of their versions', async () => {
  expect(await run('senders')).toMatch(
    /^TENANT +SENDER +VERSION +FROM +TRANSPORT +APPLIED +BY\nacme +bills +1 +Acme <bills@acme\.example> +ses .* test\n$/,
  );
  expect(await run('senders', 'versions', 'bills')).toMatch(/^VERSION .*\n1 .*in force/);
});

test('what became of recipients is listed and added up, and the first mails are sent to a tester', async () => {
  await seedTenant(api.sql);
  const { job } = await seedRecords(api.sql, { records: 2 });
  await api.sql`UPDATE campaigns SET id = ${job.id}, name = 'July', begun_at = now() WHERE name = 'June'`;
  await api.sql`UPDATE records SET "values" = jsonb_build_object('email', 'r' || line || '@example.com', 'n', line) WHERE job_id = ${job.id}`;
  await api.sql`
    UPDATE records SET state = 'FAILED', error_code = 'SEND_ERROR', error_cause = 'MESSAGE_REJECTED' WHERE job_id = ${job.id} AND line = 2`;
  await api.sql`
    INSERT INTO mail_events (campaign_id, line, kind, tenant_id, at, detail) VALUES (${job.id}, 1, 'bounced_hard', 'acme', now(), '{"smtp": "5.1.1"}')`;
  await api.sql`INSERT INTO campaign_stats VALUES (${job.id}, now(), 'bounced_hard', 'example.com', 1)`;
  expect(await run('campaigns', 'recipients', 'July', '--event', 'bounced_hard')).toMatch(
    /^1 +\*\*\* +PENDING .*bounced_hard$/m,
  );
  expect(await run('campaigns', 'recipients', 'July', '--state', 'failed')).toMatch(
    /^2 +\*\*\* +FAILED +MESSAGE_REJECTED/m,
  );
  expect(await run('campaigns', 'analytics', 'July', '--by', 'code')).toBe('bounced_hard  1\n5.1.1  1 bounced hard\n');
  await api.sql`
    INSERT INTO record_keys (tenant_id, route_id, business_key, job_id, line, created_at)
    SELECT 'acme', c.route_id, '["r2@example.com"]', j.id, 2, j.created_at FROM campaigns c JOIN jobs j ON j.id = c.id WHERE c.id = ${job.id}`;
  expect(await run('campaigns', 'to', 'R2@example.com')).toMatch(/July .* 2 +FAILED +MESSAGE_REJECTED/);
  expect(await run('campaigns', 'to', 'r3@example.com')).toBe('');
  expect(await longshore('campaigns', 'erase', 'not one')).toMatchObject({
    err: expect.stringContaining('REQUEST_INVALID'),
  });
  expect(await run('campaigns', 'erase', 'R2@example.com')).toMatch(
    /^1 records of 1 campaigns erased, and 0 reports of their mails\n {2}file [0-9a-f-]{36} \(.*\.csv\) has the address\n$/,
  );
  expect(await run('campaigns', 'to', 'r2@example.com')).toBe('');
  expect(await run('campaigns', 'recipients', 'July', '--state', 'failed')).toMatch(
    /^2 +\*\*\* +FAILED +MESSAGE_REJECTED/m,
  );
  await api.sql`INSERT INTO legal_holds (tenant_id, reason, placed_by) VALUES ('acme', 'case 4711', 'test')`;
  expect(await longshore('campaigns', 'erase', 'r1@example.com')).toMatchObject({
    err: expect.stringContaining('RECIPIENT_HELD'),
  });
  // The fleet of this test has no mail service.
  expect(await run('campaigns', 'test', 'July', 'desk@example.com')).toBe('desk@example.com  line 1  not-sent\n');
});

test('addresses are imported once, those that are none are named, and one that had expired counts again', async () => {
  const file = write('gone.txt', 'ada@example.com\r\nnot one\n\nBOB@example.com\nada@example.com\n');
  expect(await run('suppressions', 'import', file, '--topic', 'billing')).toBe(
    '2 imported, 1 known, 1 rejected\n  line 2: EMAIL_SYNTAX\n',
  );
  expect(await run('suppressions', '--limit', '1')).toMatch(/@example\.com +billing +imported/);
  expect((await run('suppressions', '--reason', 'imported')).match(/@example\.com/g)).toHaveLength(2);
  await api.sql`UPDATE suppressions SET reason = 'soft-bounces', expires_at = now() WHERE address = 'ada@example.com'`;
  expect((await run('suppressions')).match(/@example\.com/g)).toHaveLength(1);
  expect(await run('suppressions', 'import', file, '--topic', 'billing')).toMatch(/^1 imported, 2 known/);
  expect(await run('suppressions', '--reason', 'imported')).toMatch(/ada@example\.com +billing +imported/);
});
