import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { storeDeadLetters } from '#shared/dead-letters/dead-letters.ts';
import { ERROR_CODES } from '#shared/errors.ts';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { processRecords } from '#testkit/beds/process-records.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { claimForRecords, type SeededRecords, seedRecords, storeStep } from '#testkit/seeds/seed-records.ts';
import { runCli } from './run-cli.ts';

let api: TestApi;
let address: string;
let directory: string;

beforeAll(async () => {
  api = await startTestApi();
  address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  directory = await mkdtemp(join(tmpdir(), 'longshore-cli-'));
  await mkdir(join(directory, 'home'));
  const operatorKeyFile = join(directory, 'operator.key');
  await writeFile(operatorKeyFile, `${api.keys.operator}\n`, { mode: 0o600 });
  await writeFile(join(directory, 'home', 'endpoints.json'), JSON.stringify({ api: address, operatorKeyFile }));
});
afterAll(async () => {
  await api?.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Options {
  readonly env?: Record<string, string>;
  readonly input?: string;
}

/** In this process, called from its own directory, which knows the instance by LONGSHORE_HOME alone. */
async function longshore(args: string[], { env = {}, input = '' }: Options = {}): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [readText(stdout), readText(stderr)];
  const code = await runCli(
    args,
    { stdin: Readable.from([input]), stdout, stderr },
    { LONGSHORE_HOME: join(directory, 'home'), INIT_CWD: directory, ...env },
  );
  stdout.end();
  stderr.end();
  return { code, out: await out, err: await err };
}

const ROUTE = `kind: route
tenant: acme
name: orders
match: { path: 'inbound/*.csv' }
steps:
  - deliver:
`;

test('applies the files of a directory, says what changed, and lists it', async () => {
  await mkdir(join(directory, 'good', 'deep'), { recursive: true });
  await writeFile(join(directory, 'good', 'deep', 'route.yaml'), ROUTE);
  await writeFile(
    join(directory, 'good', 'z-tenant.yml'),
    'kind: tenant\nid: initech\nname: Initech\nportal: { name: Initech desk, colour: "#7a1f5c" }\n',
  );
  await writeFile(join(directory, 'good', 'readme.txt'), 'not for us');

  const dry = await longshore(['apply', '-f', 'good', '--dry-run']);
  expect(dry).toMatchObject({ code: 0, err: 'Nothing was applied: this was a dry run.\n' });
  expect(dry.out).toContain('WOULD BE');
  const applied = await longshore(['apply', '-f', 'good', '--json']);
  expect(JSON.parse(applied.out)).toMatchObject({
    tenants: [{ tenant: 'initech', change: 'created' }],
    routes: [{ tenant: 'acme', name: 'orders', version: 1, change: 'created' }],
  });
  const again = await longshore(['apply', '-f', '-'], { input: ROUTE });
  expect(again.out).toMatch(/route {2}acme\/orders +1 +unchanged/);
  expect((await longshore(['routes'])).out).toMatch(/acme +orders +1/);
  expect((await longshore(['tenants'])).out).toMatch(/initech +Initech/);
  expect((await longshore(['tenants', 'initech'])).out).toMatch(/portal +Initech desk, #7a1f5c/);
});

test('applies a partner and lists it with its address and its version', async () => {
  const partner = `kind: partner
tenant: acme
name: gw
baseUrl: https://api.partner.example/v1
auth: { type: static, secret: acme/gw-key }
operations:
  validate: { method: POST, path: /validation, idempotent: true }
`;
  const applied = await longshore(['apply', '-f', '-'], { input: partner });
  expect(applied.out).toMatch(/partner {2}acme\/gw +1 +created/);
  const changed = await longshore(['apply', '-f', '-'], { input: `${partner}timeout: 3s\n` });
  expect(changed.out).toMatch(/partner {2}acme\/gw +2 +changed/);
  expect((await longshore(['partners'])).out).toMatch(/acme +gw +2 +https:\/\/api\.partner\.example\/v1 +20/);
  const listed = await longshore(['partners', '--tenant', 'acme', '--json']);
  expect(JSON.parse(listed.out)).toMatchObject([{ name: 'gw', version: 2, definition: { timeout: 3_000 } }]);
});

test('shows what apply would change, and what it would remove', async () => {
  const files = (glob: string, names: readonly string[]) =>
    names
      .map((name) => ROUTE.replaceAll('orders', name).replace('*.csv', glob).replace('acme', 'initech'))
      .join('---\n');
  await longshore(['apply', '-f', '-', '--reason', 'INC-1'], { input: files('*.csv', ['first', 'second']) });
  const same = await longshore(['diff', '-f', '-'], { input: files('*.csv', ['first', 'second']) });
  expect(same).toEqual({ code: 0, out: '', err: '' });
  const less = files('*.tsv', ['first']);
  const diff = await longshore(['diff', '-f', '-', '--prune'], { input: less });
  expect(diff).toMatchObject({ code: 6, err: '' });
  expect(diff.out).toContain('route initech/first would be changed\n--- initech/first 1\n+++ initech/first 2\n');
  expect(diff.out).toContain("-match: { path: 'inbound/*.csv' }\n+match: { path: 'inbound/*.tsv' }\n");
  expect(diff.out).toContain('route initech/second would be removed\n');
  const kept = await longshore(['apply', '-f', '-'], { input: less });
  expect(kept.out).toMatch(/route +initech\/second +1 +kept/);
  expect(kept.err).toBe('The files do not have 1 of these; --prune removes them.\n');
  const pruned = await longshore(['apply', '-f', '-', '--prune'], { input: less });
  expect(pruned.out).toMatch(/route +initech\/second +1 +removed/);
  expect((await longshore(['routes', '--tenant', 'initech'])).out).toMatch(/second +1 .* removed/);
});

test('simulates a file, and the last ones against proposed routes', async () => {
  const route = ROUTE.replaceAll('orders', 'tried').replace('acme', 'initech').replace('inbound', 'tried');
  await longshore(['apply', '-f', '-'], { input: route });
  const one = await longshore(['simulate', '--tenant', 'initech', '--path', 'tried/a.csv', '--size', '10MB']);
  expect(one.out).toContain('tried/a.csv would be routed (a small file)\n\ntried version 1 takes it\n');
  expect(one.out).toMatch(/deliver +short +copy it to test-delivered\/initech\/tried\/a\.csv/);
  const proposed = ['simulate', '-f', '-', '--tenant', 'initech'];
  const input = route.replace('*.csv', '*.tsv');
  const none = await longshore([...proposed, '--path', 'tried/a.csv'], { input });
  expect(none.out).toContain('NO_ROUTE PATH_MISMATCH');
  expect(none.out).toContain('Now it is taken by tried.\n');
  const object = arrivedObject({ tenantId: 'initech', key: 'initech/tried/b.csv', name: 'b.csv' });
  await registerFiles(api.sql, [object], 'test');
  const many = await longshore([...proposed, '--last', '10'], { input });
  expect(many.out).toMatch(
    /^tried\/b\.csv +none +tried +- +PATH_MISMATCH\n1 files: same 0, .* no route any more 1; 1 would be quarantined$/m,
  );
  expect(await longshore(['simulate', '--tenant', 'initech'])).toMatchObject({ code: 2, out: '' });
});

test('shows, compares and brings back versions', async () => {
  const commented = `# for finance\n${ROUTE.replaceAll('orders', 'kept').replace('acme', 'initech')}`;
  await longshore(['apply', '-f', '-'], { input: commented });
  await longshore(['apply', '-f', '-'], { input: commented.replace('*.csv', '*.tsv') });
  expect((await longshore(['routes', 'show', 'kept', '1'])).out).toBe(commented);
  expect((await longshore(['routes', 'versions', 'initech/kept'])).out).toMatch(/^2 .* in force\n1 /m);
  expect((await longshore(['routes', 'diff', 'kept'])).out).toContain("+match: { path: 'inbound/*.tsv' }");
  expect((await longshore(['routes', 'diff', 'kept', '2', '2'])).err).toContain('have the same text');
  const restored = await longshore(['routes', 'restore', 'kept', '1', '--reason', 'INC-2']);
  expect(restored.out).toBe('route initech/kept has version 3, the text of version 1\n');
  const shown = await longshore(['routes', 'kept']);
  expect(shown.out).toContain('# for finance\n');
  expect((await longshore(['partners', 'versions', 'gw'])).out).toMatch(/^2 .* in force\n1 /m);
  expect(await longshore(['routes', 'show', 'kept', '9'])).toMatchObject({ code: 1, out: '' });
  expect(await longshore(['routes', 'restore', 'kept', 'x', '--reason', 'y'])).toMatchObject({ code: 2, out: '' });
});

test('applies an external store and lists it with where it is, and the name of its secret alone', async () => {
  const store = `kind: store
tenant: acme
name: head-office
region: eu-central-1
credentials: head-office-s3
buckets: [branch-inbox]
`;
  const applied = await longshore(['apply', '-f', '-'], { input: store });
  expect(applied.out).toMatch(/store +acme\/head-office +1 +created/);
  expect((await longshore(['apply', '-f', '-'], { input: store })).out).toMatch(/acme\/head-office +1 +unchanged/);
  expect((await longshore(['stores'])).out).toMatch(/acme +head-office +1 +Amazon S3, eu-central-1 +20/);
  const listed = await longshore(['stores', '--tenant', 'acme', '--json']);
  expect(JSON.parse(listed.out)).toMatchObject([
    { name: 'head-office', definition: { credentials: 'head-office-s3' } },
  ]);
});

test('prints every fault of every file as file:line:column and ends with 3', async () => {
  await mkdir(join(directory, 'bad'), { recursive: true });
  await writeFile(join(directory, 'bad', 'one.yaml'), ROUTE.replace('name: orders', 'name: BAD NAME'));
  await writeFile(join(directory, 'bad', 'two.yaml'), 'kind: tenant\nid: x\nname: [unclosed\n');
  const { code, out, err } = await longshore(['apply', '-f', 'bad']);
  expect([code, out]).toEqual([3, '']);
  expect(err).toMatch(/^bad\/one\.yaml:3:7 ROUTE_INVALID name: /m);
  expect(err).toMatch(/^bad\/two\.yaml:\d+:\d+ YAML_SYNTAX /m);
  expect(err).toMatch(/^ROUTE_INVALID There are \d+ faults/m);
});

test('shows where a file is by its name, for people and for machines, and shows control characters', async () => {
  const name = 'odd \u001b[31mname\u202e.csv';
  await registerFiles(api.sql, [arrivedObject({ name, key: `acme/inbound/${name}` })], 'test');
  const shown = await longshore(['status', name]);
  expect(shown.code).toBe(0);
  expect(shown.out).toMatch(/^status +queued$/m);
  expect(shown.out).toContain('odd \\u{1b}[31mname\\u{202e}.csv');
  expect(shown.out).not.toContain('\u001b');
  expect(JSON.parse((await longshore(['status', name, '--json'])).out)).toMatchObject({
    file_name: name,
    status: 'queued',
  });
});

test('watches a file until it has ended, and ends with 5 when it failed', async () => {
  const {
    files: [file],
  } = await registerFiles(api.sql, [arrivedObject({ name: 'watched.csv' })], 'test');
  const watching = longshore(['status', 'watched.csv', '--watch']);
  await expect.poll(() => api.logged.filter((line) => line.includes('"/status"')).length).toBeGreaterThan(0);
  await api.sql`UPDATE files SET status = 'FAILED', error_message = 'it broke', finished_at = now() WHERE id = ${file!.id}`;
  const { code, out, err } = await watching;
  expect(code).toBe(5);
  expect(err).toContain('watched.csv: failed');
  expect(out).toMatch(/^error +it broke$/m);
});

test('lists files by filters and says when there are more', async () => {
  const objects = Array.from({ length: 3 }, (_, index) =>
    arrivedObject({ tenantId: 'globex', name: `list-${index}.xml`, key: `globex/list-${index}.xml` }),
  );
  await registerFiles(api.sql, objects, 'test');
  const { out, err } = await longshore(['files', '--tenant', 'globex', '--name', 'list-*', '--limit', '2']);
  expect(out.trim().split('\n')).toHaveLength(3);
  expect(err).toContain('There are more');
  const all = JSON.parse((await longshore(['files', '--type', 'xml', '--json'])).out);
  expect(all).toHaveLength(3);
});

test('cancels, retries and shows a job, each with its reason in the audit', async () => {
  const job = (await seedJobs(api.sql))[0]!;
  const cancelled = await longshore(['cancel', job.id, '--reason', 'wrong file']);
  expect(cancelled.out).toMatch(/^state +CANCELLED$/m);
  const retried = await longshore(['retry', job.id, '--reason', 'right after all', '--json']);
  expect(JSON.parse(retried.out)).toMatchObject({ state: 'PENDING', generation: 2 });
  const refused = await longshore(['retry', job.id, '--reason', 'again']);
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/^JOB_NOT_RETRYABLE .*\n.+/);
  const shown = await longshore(['job', job.id]);
  expect(shown.out).toMatch(/deliver +PENDING/);
  expect(shown.out).toMatch(/job\.reopened +operator:operator/);
});

test('skips a job of an ordered route', async () => {
  await seedJobs(api.sql, { isOrdered: true });
  const [job] = await api.sql<{ id: string }[]>`SELECT id FROM jobs WHERE awaits_turn`;
  const skipped = await longshore(['skip', job?.id ?? '', '--reason', 'not wanted']);
  expect(skipped.out).toMatch(/^state +CANCELLED$/m);
  const again = await longshore(['skip', job?.id ?? '', '--reason', 'again']);
  expect([again.code, again.err]).toEqual([1, expect.stringMatching(/^JOB_NOT_IN_LINE .*\n.+/)]);
});

/** A file of four records on the one route there is. */
async function seedRecordFile(): Promise<SeededRecords> {
  const definition = {
    records: { columns: [{ name: 'id' }, { name: 'pin', sensitive: true }], businessKey: ['id'] },
    steps: [{ parse: {} }, { call: { partner: 'p', operation: 'validate' } }],
  };
  await api.sql`UPDATE route_versions SET definition = ${api.sql.json(definition)}`;
  const seeded = await seedRecords(api.sql, { records: 4, keyOf: (line) => JSON.stringify([`k${line}`]) });
  await api.sql`UPDATE records SET "values" = '{"id":"\u202e1","pin":"4711"}' WHERE job_id = ${seeded.job.id}`;
  return seeded;
}

test('lists the records of a job, shows one with its attempts, and has the failed ones called again after a count', async () => {
  const { job, chunks } = await seedRecordFile();
  const evil = 'no\u001b[31m such\u202e coupon';
  await processRecords(api.sql, chunks, (line) =>
    line === 1
      ? { type: 'later', delayMs: 600_000 }
      : { type: line === 2 ? 'failed' : line === 3 ? 'ambiguous' : 'success' },
  );
  await api.sql`UPDATE records SET error_message = ${evil} WHERE job_id = ${job.id} AND line = 2`;
  const shown = await longshore(['job', job.id]);
  expect(shown.out).toMatch(/^FAILED +2$/m);
  expect(shown.out).toMatch(/^ +VALIDATION_ERROR HTTP_503 +3$/m);
  expect(shown.out).toMatch(/^waits for +RECORDS$/m);

  const failed = await longshore(['records', job.id, '--state', 'failed', '--code', 'VALIDATION_ERROR']);
  expect(failed.out).toMatch(/^2 +FAILED +k2 +validate +1 .*no\\u{1b}\[31m such\\u{202e} coupon$/m);
  expect(failed.out.trim().split('\n')).toHaveLength(3);
  const more = await longshore(['records', job.id, '--limit', '2', '--values']);
  expect(more.err).toContain('There are more');
  expect(more.out).toContain('{"id":"\\u{202e}1","pin":"***"}');
  const one = await longshore(['records', job.id, '--line', '2']);
  expect(one.out).toMatch(/^state +FAILED$/m);
  expect(one.out).toMatch(/step-0 +1 +failed +503/);
  expect(one.out).not.toContain('\u001b');
  expect(JSON.parse((await longshore(['records', job.id, '--json'])).out)).toHaveLength(4);

  const counted = await longshore(['retry', job.id, '--records', '--code', 'VALIDATION_ERROR']);
  expect(counted).toMatchObject({ code: 0, out: '1 records would be called again\n' });
  expect(counted.err).toMatch(/1 ambiguous ones are left out/);
  expect((await longshore(['retry', job.id, '--records', '--yes'])).code).toBe(2);
  const word = ['--yes', '--reason', 'the partner is back'];
  const done = await longshore(['retry', job.id, '--records', '2-4', '--rate', '20/s', ...word]);
  expect(done.out).toBe('1 records are called again\n');
  const unnamed = await longshore(['retry', job.id, '--records', '3', ...word]);
  expect([unnamed.code, unnamed.err]).toEqual([1, expect.stringMatching(/^RECORDS_AMBIGUOUS /)]);
  const named = ['retry', job.id, '--records', '3', '--state', 'ambiguous', '--as-new', '--json'];
  expect(JSON.parse((await longshore([...named, '--dry-run'])).out)).toMatchObject({ dry_run: true, records: 1 });
  expect(JSON.parse((await longshore([...named, ...word])).out)).toMatchObject({ dry_run: false, records: 1 });
});

test('releases and rejects held jobs, and no others', async () => {
  const [{ job }, { job: other }] = [await seedRecordFile(), await seedRecordFile()];
  const refused = await longshore(['release', job.id, '--reason', 'r']);
  expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/^JOB_NOT_HELD /)]);
  for (const { id } of [job, other]) {
    await api.sql`UPDATE jobs SET next_action_at = now() WHERE id = ${id}`;
    const held = { type: 'later', delayMs: 86_400_000, countsAttempt: false, reason: 'HELD' } as const;
    await storeStep(api.sql, await claimForRecords(api.sql, id), held);
  }
  expect((await longshore(['release', job.id, '--reason', 'looked at'])).out).toMatch(/^state +PENDING$/m);
  const rejected = await longshore(['reject', other.id, '--reason', 'the wrong file']);
  expect(rejected.out).toMatch(/^error +REJECTED OPERATOR the wrong file$/m);
});

test('counts dead letters first, redrives them only with --yes and a reason, and tells which were refused', async () => {
  const letter = { queue: 'partner-steps', attributes: {}, receiveCount: 3, reason: 'r', state: 'PARKED' as const };
  const body = JSON.stringify({ type: 'job.due', v: 1, jobId: crypto.randomUUID(), tenantId: 'acme', wake: 1 });
  await storeDeadLetters(
    api.sql,
    [
      { ...letter, id: crypto.randomUUID(), messageId: 'good', body },
      { ...letter, id: crypto.randomUUID(), messageId: 'garbage', body: 'garbage' },
    ],
    'test',
  );
  expect((await longshore(['dead-letters', '--state', 'parked'])).out.trim().split('\n')).toHaveLength(3);
  const preview = await longshore(['redrive']);
  expect(preview.out).toMatch(/partner-steps +2/);
  expect((await longshore(['redrive', '--yes'])).code).toBe(2);
  const done = await longshore(['redrive', '--yes', '--reason', 'fixed', '--rate', '100/s']);
  expect(done).toMatchObject({ code: 1, out: '1 sent, 1 refused\n' });
  expect(done.err).toContain('the body is not JSON');
  const forced = await longshore(['redrive', '--yes', '--reason', 'fixed', '--force', '--json']);
  expect(JSON.parse(forced.out)).toEqual({ redriven: 1, refused: [] });
  expect((await longshore(['queues'])).out).toMatch(/partner-steps +[1-9]/);
});

test('makes a key, prints it alone, uses it, and revokes it', async () => {
  const made = await longshore(['keys', 'create', '--tenant', 'globex', '--label', 'ci']);
  expect(made.out).toMatch(/^ls_[\w-]{43}\n$/);
  const env = { LONGSHORE_API: address, LONGSHORE_API_KEY: made.out.trim() };
  const seen = JSON.parse((await longshore(['tenants', '--json'], { env })).out);
  expect(seen.map(({ tenant }: { tenant: string }) => tenant)).toEqual(['globex']);
  expect((await longshore(['queues'], { env })).err).toMatch(/^FORBIDDEN /);
  const keyId = /[0-9a-f-]{36}/.exec(made.err)?.[0] ?? '';
  expect((await longshore(['keys', 'revoke', keyId])).out).toBe(`${keyId} revoked\n`);
  expect((await longshore(['keys', 'list'])).out).not.toContain(made.out.trim());
});

test('makes a key with scopes, which then reaches nothing else', async () => {
  const scopes = ['campaigns:read', 'suppressions:write'];
  const made = await longshore(['keys', 'create', '--tenant', 'globex', '--label', 'centre', '--scope', ...scopes]);
  const env = { LONGSHORE_API: address, LONGSHORE_API_KEY: made.out.trim() };
  expect((await longshore(['whoami'], { env })).out).toContain(`scopes: ${scopes.join(' ')}\n`);
  expect(await longshore(['campaigns'], { env })).toMatchObject({ code: 0 });
  expect((await longshore(['files'], { env })).err).toMatch(/^FORBIDDEN .*\n.*files:read/);
  expect((await longshore(['keys', 'list'])).out).toMatch(/centre .*campaigns:read suppressions:write/);
  const wrong = ['keys', 'create', '--tenant', 'globex', '--label', 'x', '--scope', 'all'];
  expect((await longshore(wrong)).err).toMatch(/^REQUEST_INVALID .*scopes/);
});

test('ends with a code of its own for each way to fail, with code and hint on standard error', async () => {
  await writeFile(join(directory, 'wrong.key'), 'ls_wrong_key_wrong_key');
  const cases: [string[], number, RegExp, Record<string, string>?][] = [
    [['status', 'nothing-of-this-name'], 1, /^NOT_FOUND File not found/],
    [['job', 'no-id'], 1, /^NOT_FOUND File not found/],
    [['files', '--since', 'whenever'], 2, /^USAGE .*\nGive an age such as 30m/],
    [['disable', 'tenant', 'acme/x', '--reason', 'x'], 2, /^USAGE /],
    [['disable', 'tenant', 'acme'], 2, /--reason/],
    [['dead-letters', 'discard', '--yes', '--reason', 'x'], 1, /^REQUEST_INVALID /],
    [['tenants', '--api', address, '--key-file', 'wrong.key'], 1, /^UNAUTHENTICATED /],
    [['files', '--status', 'done'], 1, /^REQUEST_INVALID .*status/],
    [['files', '--limit', 'many'], 2, /Give 1 to 100000/],
    [['files', '--colour', 'red'], 2, /unknown option/],
    [['nothing'], 2, /unknown command/],
    [['retry', crypto.randomUUID()], 2, /--reason/],
    [['retry', crypto.randomUUID(), '--code', 'A', '--reason', 'r'], 2, /^USAGE .*\n.*--records/],
    [['retry', crypto.randomUUID(), '--records', '5-3'], 2, /e\.g\. 3,5-9/],
    [['retry', crypto.randomUUID(), '--records', '1-20000'], 2, /at most 10000 lines/],
    [['records', crypto.randomUUID(), '--line', '0'], 2, /from 1/],
    [['records', crypto.randomUUID(), '--line', '1', '--state', 'FAILED'], 2, /^USAGE /],
    [['records', crypto.randomUUID()], 1, /^NOT_FOUND Job/],
    [['reject', crypto.randomUUID()], 2, /--reason/],
    [['apply', '-f', 'not-there.yaml'], 2, /^USAGE not-there\.yaml cannot be read/],
    [['tenants', '--api', 'ftp://a', '--key-file', 'wrong.key'], 2, /^USAGE /],
    [['tenants', '--api', address], 2, /^USAGE There is no API key/],
    [['tenants'], 2, /^USAGE There is no instance/, { LONGSHORE_HOME: 'elsewhere' }],
    [['tenants', '--api', 'http://127.0.0.1:1', '--key-file', 'wrong.key'], 4, /^API_UNREACHABLE /],
  ];
  await Promise.all(
    cases.map(async ([args, code, message, env]) => {
      const ended = await longshore(args, env === undefined ? {} : { env });
      expect([args, ended.code, ended.out]).toEqual([args, code, '']);
      expect(ended.err).toMatch(message);
      expect(ended.err).not.toMatch(/at .+:\d+:\d+\)/);
      expect(ended.err.trim().split('\n').length).toBeGreaterThan(1);
    }),
  );
  const json = await longshore(['status', 'nothing-of-this-name', '--json']);
  expect(JSON.parse(json.err)).toMatchObject({ code: 'NOT_FOUND', hint: expect.any(String) });
});

test('watching shows how far a copy is, as plain lines where there is no terminal', async () => {
  const [job] = await seedJobs(api.sql, { isLarge: true });
  if (job === undefined) throw new Error('no job was made');
  await api.sql`
    INSERT INTO transfers (owner_id, seq, owner, purpose, tenant_id, file_id, epoch, state, plan, bucket, key, source_etag, part_bytes,
      bytes_total, worker, bytes_done, bytes_per_second)
    VALUES (${job.id}, 0, 'job', 'deliver', 'acme', ${job.fileId}, 1, 'COPYING', 'streamed', 'b', 'k', 'e', 100, 2000000, 'w', 500000, 100000)`;
  const lookedAt = () => api.logged.some((line) => line.includes('"route":"/api/v1/files/:id"'));
  api.logged.length = 0;
  const watching = longshore(['status', job.fileId, '--watch']);
  await expect.poll(lookedAt).toBe(true);
  await api.sql`UPDATE files SET status = 'COMPLETED', finished_at = now() WHERE id = ${job.fileId}`;
  const { code, err } = await watching;
  expect(code).toBe(0);
  expect(err.split('\n').slice(0, 3)).toEqual([
    expect.stringMatching(/: processing$/),
    'deliver:  25%  500 kB of 2 MB  100 kB/s  15 s left',
    expect.stringMatching(/: completed$/),
  ]);
});

test('a file that waits for a person, or for a partner, says so and who ends it', async () => {
  const [job] = await seedJobs(api.sql, { isLarge: true });
  if (job === undefined) throw new Error('no job was made');
  const due = '2030-01-02T03:04:05Z';
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() + interval '1 day' WHERE id = ${job.id}`;
  const held = await longshore(['status', job.fileId]);
  expect(held.out).toMatch(/^status +held$/m);
  expect(held.out).toContain(
    `held for a person: an operator decides by longshore release ${job.id} --reason "..." or longshore reject ${job.id}`,
  );
  const watching = longshore(['status', job.fileId, '--watch']);
  const lookedAt = () => api.logged.filter((line) => line.includes('"route":"/api/v1/files/:id"')).length;
  api.logged.length = 0;
  await expect.poll(lookedAt).toBeGreaterThan(0);
  expect(await longshore(['release', job.id, '--reason', 'looked at it'])).toMatchObject({ code: 0 });
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'BREAKER_OPEN', step_attempts = 1, next_action_at = ${due} WHERE id = ${job.id}`;
  const waiting = await longshore(['status', job.fileId]);
  expect(waiting.out).toMatch(/^status +waiting$/m);
  expect(waiting.out).toMatch(/waiting: deliver, for BREAKER_OPEN, until 2030-01-02 03:04:05Z; 1 of 3 attempts used/);
  api.logged.length = 0;
  await expect.poll(lookedAt).toBeGreaterThan(1);
  await api.sql`UPDATE files SET status = 'COMPLETED', finished_at = now() WHERE id = ${job.fileId}`;
  const { err } = await watching;
  const shown = err.split('\n').filter((line) => !/: processing$/.test(line));
  expect(shown).toEqual([
    expect.stringMatching(/: held$/),
    expect.stringContaining('held for a person'),
    expect.stringMatching(/: waiting$/),
    expect.stringContaining('for BREAKER_OPEN'),
    expect.stringMatching(/: completed$/),
    '',
  ]);
});

test('lists notices that were not taken, and has parked ones sent again', async () => {
  const event = '019aa4c2-7d1e-7b62-9a51-0f3f1f6f0a11';
  await api.sql`
    INSERT INTO notices (event_id, tenant_id, route, channel, notice, body, delivery_id, state, attempts, next_action_at, error_cause, error_message)
    VALUES (${event}, 'acme', '', 'desk', 'failed', '{}', ${event}, 'PARKED', 15, now(), 'NOTICE_REFUSED', 'The receiver answered 410.')`;
  const listed = await longshore(['notices', '--parked']);
  expect(listed.out).toMatch(/acme +- +desk +failed +parked +15 .*NOTICE_REFUSED +The receiver answered 410\./);
  expect(await longshore(['notices', '--retry'])).toMatchObject({ code: 2 });
  expect(await longshore(['notices', '--retry', '--reason', 'it is back'])).toMatchObject({
    code: 0,
    out: '1 sent again\n',
  });
  expect(await longshore(['notices', '--parked', '--json'])).toMatchObject({ out: '[]\n' });
});

test('a file named by its user is that user’s, also where the checkout has one of that name', async () => {
  // As `npm run` does it: the process works in the checkout, the user called from elsewhere.
  const user = join(directory, 'user');
  await mkdir(join(directory, 'examples'), { recursive: true });
  await mkdir(join(user, 'examples'), { recursive: true });
  await writeFile(join(directory, 'examples', 'routes.yaml'), ROUTE.replace('orders', 'of-the-checkout'));
  await writeFile(join(user, 'examples', 'routes.yaml'), ROUTE.replace('orders', 'of-the-user'));
  const env = { INIT_CWD: user };
  const dry = await longshore(['apply', '-f', 'examples/routes.yaml', '--dry-run'], { env });
  expect(dry.out).toMatch(/acme\/of-the-user +1 +created/);
  await writeFile(join(directory, 'only-here.yaml'), ROUTE);
  const absent = await longshore(['apply', '-f', 'only-here.yaml', '--dry-run'], { env });
  expect([absent.code, absent.err]).toEqual([2, expect.stringMatching(/^USAGE only-here.yaml cannot be read/)]);
  const key = await longshore(['tenants', '--key-file', 'operator.key'], { env });
  expect([key.code, key.err]).toEqual([
    2,
    expect.stringMatching(/^USAGE The key file .*user\/operator.key cannot be read/),
  ]);
});

test('lists jobs that are held, and shows a job by the name of its file with why what happened', async () => {
  const { job } = await seedRecordFile();
  await api.sql`UPDATE files SET name = 'held-one.csv' WHERE id = ${job.fileId}`;
  await api.sql`UPDATE jobs SET next_action_at = now() WHERE id = ${job.id}`;
  const held = { type: 'later', delayMs: 86_400_000, countsAttempt: false, reason: 'HELD' } as const;
  await storeStep(api.sql, await claimForRecords(api.sql, job.id), held);
  const listed = (await longshore(['jobs', '--held'])).out;
  expect(listed).toMatch(new RegExp(`^${job.id} .* WAITING +HELD .* held-one.csv`, 'm'));
  expect((await longshore(['status', 'held-one.csv'])).out).toMatch(/^status +held$/m);
  await longshore(['release', 'held-one.csv', '--reason', 'looked at it']);
  expect((await longshore(['job', 'held-one.csv'])).out).toMatch(/job\.released +operator:operator +looked at it$/m);
  expect((await longshore(['jobs', '--held'])).out).not.toContain(job.id);
  expect(
    JSON.parse((await longshore(['files', '--since', '2h', '--name', 'held-one.csv', '--json'])).out),
  ).toHaveLength(1);
  expect(JSON.parse((await longshore(['files', '--to', '2h', '--name', 'held-one.csv', '--json'])).out)).toEqual([]);
});

test('shows a dead letter whole, sends it with a corrected body, and discards others after a count', async () => {
  const letter = (body: string) => ({
    id: crypto.randomUUID(),
    messageId: crypto.randomUUID(),
    queue: 'work',
    attributes: { sentAt: '2026-01-02T03:04:05Z' },
    receiveCount: 3,
    reason: 'r',
    state: 'PARKED' as const,
    body,
  });
  const [first, second] = [letter('nonsense'), letter('more nonsense')];
  await storeDeadLetters(api.sql, [first, second], 'test');
  expect((await longshore(['dead-letters', 'show', first.id])).out).toMatch(
    /fault +.*\n[\s\S]*sentAt[\s\S]*\nnonsense\n$/,
  );
  await writeFile(
    join(directory, 'corrected.json'),
    JSON.stringify({ type: 'job.due', v: 1, jobId: crypto.randomUUID(), tenantId: 'acme', wake: 1 }),
  );
  const correct = ['redrive', '--id', first.id, '--body-file', 'corrected.json', '--reason', 'the id was cut off'];
  for (const rehearsal of [[], ['--yes', '--dry-run']]) {
    expect((await longshore([...correct, ...rehearsal])).err).toContain('Nothing was sent');
  }
  const sent = await longshore([...correct, '--yes']);
  expect(sent).toMatchObject({ code: 0, out: expect.stringContaining('sent with the body of corrected.json') });
  const count = await longshore(['dead-letters', 'discard', '--queue', 'work']);
  expect([count.out, count.err]).toEqual([
    expect.stringMatching(/^work +1$/m),
    expect.stringContaining('Nothing was discarded'),
  ]);
  const discarded = await longshore(['dead-letters', 'discard', '--id', second.id, '--yes', '--reason', 'no use']);
  expect(discarded.out).toBe('1 discarded\n');
  expect((await longshore(['dead-letters', '--queue', 'work', '--state', 'parked', '--json'])).out.trim()).toBe('[]');
  expect((await longshore(['dead-letters', '--queue', 'work', '--state', 'DISCARDED'])).out).toContain(second.id);
});

test('takes a tenant, a route and an SFTP user out of use and back into it, and lists SFTP users', async () => {
  const { public: key } = makeSshKey();
  const tenant = `kind: tenant\nid: umbrella\nname: Umbrella\nsftpUsers:\n  - username: umbrella-up\n    publicKey: ${key}\n`;
  await longshore(['apply', '-f', '-'], { input: `${tenant}---\n${ROUTE.replace('acme', 'umbrella')}` });
  for (const [kind, name] of [
    ['sftp-user', 'umbrella-up'],
    ['route', 'umbrella/orders'],
    ['tenant', 'umbrella'],
  ] as const) {
    expect((await longshore(['disable', kind, name, '--reason', 'x'])).out).toBe(`${kind} ${name} disabled\n`);
    expect((await longshore(['disable', kind, name, '--reason', 'x'])).out).toContain('was disabled before');
  }
  expect((await longshore(['sftp-users'])).out).toMatch(/umbrella +umbrella-up +1 +disabled /);
  const again = await longshore(['apply', '-f', '-'], { input: tenant.replace(/sftpUsers[\s\S]*/, '') });
  expect(again.out).toMatch(/tenant +umbrella +applied, still disabled/);
  expect(again.out).toMatch(/sftp user +umbrella\/umbrella-up +removed/);
  expect((await longshore(['enable', 'tenant', 'umbrella', '--reason', 'x'])).out).toBe('tenant umbrella enabled\n');
});

test('reads and shows times in the time zone of the tenant, in UTC with --utc, and an age from now', async () => {
  const tenant = 'kind: tenant\nid: tyrell\nname: Tyrell\ntimeZone: Asia/Kolkata\n';
  expect((await longshore(['apply', '-f', '-'], { input: tenant })).code).toBe(0);
  const {
    files: [file],
  } = await registerFiles(
    api.sql,
    [arrivedObject({ tenantId: 'tyrell', name: 'of-kolkata.csv', key: 'tyrell/of-kolkata.csv' })],
    'test',
  );
  await api.sql`UPDATE files SET created_at = '2026-01-30T20:00:00Z', uploaded_at = '2026-01-30T20:00:00Z' WHERE id = ${file!.id}`;
  const of = (...options: string[]) => longshore(['files', '--tenant', 'tyrell', ...options]);
  expect((await of('--from', '2026-01-31', '--to', '2026-01-31T02:00')).out).toContain('2026-01-31 01:30:00+05:30');
  expect((await of('--from', '2026-01-31', '--utc')).err).toContain('No files match');
  expect((await of('--to', '2026-01-31', '--utc')).out).toContain('2026-01-30 20:00:00Z');
  expect((await of('--since', '2h')).err).toContain('No files match');
  expect((await longshore(['status', 'of-kolkata.csv'])).out).toMatch(/^uploaded +2026-01-31 01:30:00\+05:30$/m);
  expect((await longshore(['status', 'of-kolkata.csv', '--utc'])).out).toMatch(/^uploaded +2026-01-30 20:00:00Z$/m);
});

test('an empty list says why, on standard error', async () => {
  expect(await longshore(['files', '--tenant', 'nosuch', '--name', 'week'])).toEqual({
    code: 0,
    out: '',
    err:
      'No files match these filters.\nThere is no tenant nosuch: see `longshore tenants`.\n' +
      "A name is matched whole: use * for any run of characters, e.g. --name '*week*'.\n",
  });
  expect((await longshore(['redrive', '--queue', 'landing'])).err).toBe(
    'No parked dead letters match these filters.\n',
  );
  expect((await longshore(['notices', '--tenant', 'globex'])).err).toBe('No notices match these filters.\n');
  expect((await longshore(['effects'])).err).toMatch(/^There are no effects in doubt\.\n.*--stage/);
  expect((await longshore(['routes', 'nosuch'])).err).toMatch(/^NOT_FOUND Route not found\n/);
});

test('lists files and jobs of several states at once, and files by their error', async () => {
  const objects = ['one', 'two', 'three'].map((name) =>
    arrivedObject({ name: `states-${name}.txt`, key: `acme/${name}` }),
  );
  const { files } = await registerFiles(api.sql, objects, 'test');
  const [failed, quarantined] = files.map(({ id }) => id);
  await api.sql`UPDATE files SET status = 'FAILED', finished_at = now(), error_code = 'DELIVERY_ERROR' WHERE id = ${failed!}`;
  await api.sql`UPDATE files SET status = 'QUARANTINED', finished_at = now(), error_code = 'NO_ROUTE' WHERE id = ${quarantined!}`;
  const namesOf = async (...options: string[]) => {
    const { out } = await longshore(['files', '--name', 'states-*', '--json', ...options]);
    return JSON.parse(out)
      .map(({ file_id }: { file_id: string }) => file_id)
      .sort();
  };
  expect(await namesOf()).toHaveLength(3);
  expect(await namesOf('--status', 'failed,QUARANTINED')).toEqual([failed, quarantined].sort());
  expect(await namesOf('--status', 'failed', 'queued')).toHaveLength(2);
  expect(await namesOf('--status', 'completed,failed')).toEqual([failed]);
  expect(await namesOf('--code', 'NO_ROUTE')).toEqual([quarantined]);
  expect(await namesOf('--code', 'NO_ROUTE', '--status', 'failed')).toEqual([]);
  const [job] = await seedJobs(api.sql);
  await longshore(['cancel', job!.id, '--reason', 'not needed']);
  const { out } = await longshore(['jobs', '--state', 'failed,cancelled', '--json']);
  expect(JSON.parse(out).map(({ job_id }: { job_id: string }) => job_id)).toContain(job!.id);
});

test('status as JSON has the jobs, and names other files of the same name; its audit says who did what and why', async () => {
  const { job } = await seedRecordFile();
  await api.sql`UPDATE files SET name = 'twice.csv' WHERE id = ${job.fileId}`;
  expect((await longshore(['status', 'twice.csv'])).err).toBe('');
  await registerFiles(
    api.sql,
    [arrivedObject({ tenantId: 'globex', name: 'twice.csv', key: 'globex/twice.csv' })],
    'test',
  );
  expect((await longshore(['status', 'twice.csv'])).err).toMatch(
    /This is the newest; 1 other file has this name \((?:acme, globex|globex, acme)\)/,
  );
  expect((await longshore(['status', job.fileId])).err).toBe('');
  expect(JSON.parse((await longshore(['status', job.fileId, '--json'])).out)).toMatchObject({
    file_id: job.fileId,
    status: 'processing',
    jobs: [{ job_id: job.id, step: 'call' }],
  });
  const {
    files: [file],
  } = await registerFiles(api.sql, [arrivedObject({ name: 'set-aside.csv', key: 'acme/set-aside.csv' })], 'test');
  await api.sql`
    UPDATE files SET status = 'QUARANTINED', routed_at = now(), finished_at = now(), error_code = 'NO_ROUTE', error_message = 'no route' WHERE id = ${file!.id}`;
  expect((await longshore(['reroute', file!.id, '--reason', 'there is a route now'])).code).toBe(0);
  const { out } = await longshore(['status', file!.id, '--audit']);
  expect(out).toMatch(/file\.queued +operator:operator +there is a route now$/m);
});

test('a job of a record file is readable: its sweeps are one line with their sums, its codes come most frequent first', async () => {
  const { job } = await seedRecordFile();
  const summary = {
    byState: { SUCCESS: 3, FAILED: 7 },
    byCode: { 'A ONE': 1, 'B FIVE': 5, 'C TWO': 2 },
    durationMs: 1,
  };
  await api.sql`UPDATE jobs SET record_summary = ${api.sql.json(summary)} WHERE id = ${job.id}`;
  for (const detail of [
    { success: 1, failed: 2, ambiguous: 0, open: 4 },
    { success: 2, failed: 2, ambiguous: 0, open: 0 },
  ]) {
    await api.sql`
      INSERT INTO audit_events (type, tenant_id, file_id, job_id, actor, detail)
      VALUES ('records.swept', 'acme', ${job.fileId}, ${job.id}, 's', '{"records":4}'), ('records.settled', 'acme', ${job.fileId}, ${job.id}, 's', ${api.sql.json(detail)})`;
  }
  const { out } = await longshore(['job', job.id]);
  expect(out.match(/ records\.\w+ /g)).toHaveLength(1);
  expect(out).toMatch(/4 events, 8 records, 3 success, 4 failed, 0 ambiguous, 0 open$/m);
  expect(out).toMatch(/FAILED +7\nSUCCESS +3\n +B FIVE +5\n +C TWO +2\n +A ONE +1\n/);
  expect((await longshore(['job', job.id, '--all'])).out.match(/ records\.\w+ /g)).toHaveLength(4);
});

test.each([
  ['VALIDATION_ERROR', 'CSV_COLUMN_COUNT', 'correct the file and send it again instead.'],
  ['CONFIRMATION_ERROR', 'ACKNOWLEDGEMENT_MISSING', ERROR_CODES.ACKNOWLEDGEMENT_MISSING.remedy],
  ['DELIVERY_ERROR', 'PUSH_TARGET_EXISTS', ERROR_CODES.PUSH_TARGET_EXISTS.remedy],
])('a retry of what ended with %s and %s says what helps', async (code, cause, helps) => {
  const [job] = await seedJobs(api.sql);
  await longshore(['cancel', job!.id, '--reason', 'so that it has ended']);
  await api.sql`
    UPDATE jobs SET state = 'FAILED', step_attempts = 1, error_code = ${code}, error_cause = ${cause}, error_message = 'x' WHERE id = ${job!.id}`;
  const { err } = await longshore(['retry', job!.id, '--reason', 'try it']);
  expect(err.trim().endsWith(helps)).toBe(true);
  expect(err.includes('send it again')).toBe(cause === 'CSV_COLUMN_COUNT');
});

test('a retry that will fail again says so, and a rehearsal changes nothing', async () => {
  const [job] = await seedJobs(api.sql);
  await longshore(['cancel', job!.id, '--reason', 'so that it has ended']);
  await api.sql`
    UPDATE jobs SET state = 'FAILED', step_attempts = 1, error_code = 'VALIDATION_ERROR', error_cause = 'CSV_COLUMN_COUNT', error_message = 'Line 2 has 3 columns.' WHERE id = ${job!.id}`;
  const rehearsal = await longshore(['retry', job!.id, '--dry-run']);
  expect(rehearsal.err).toMatch(/^Nothing was changed: a retry would open generation 2 at the step deliver\.\n/);
  expect((await longshore(['job', job!.id])).out).toMatch(/^state +FAILED$/m);
  const retried = await longshore(['retry', job!.id, '--reason', 'try it']);
  expect(retried.code).toBe(0);
  expect(retried.err).toMatch(/^Generation 2 was opened: the job continues at its step deliver\.\n/);
  expect(retried.err).toContain(
    'gave up at attempt 1 of 3, because CSV_COLUMN_COUNT does not go away without a change',
  );
});

test('shows a route with its steps and versions, by its name or with its tenant', async () => {
  const route = `${ROUTE.replace('orders', 'shown')}description: for the test\n`;
  await longshore(['apply', '-f', '-'], { input: route });
  await longshore(['apply', '-f', '-'], { input: route.replace('the test', 'the second test') });
  for (const name of ['shown', 'acme/shown']) {
    const { out } = await longshore(['routes', name]);
    expect(out).toMatch(/^route +acme\/shown$/m);
    expect(out).toContain("name: shown\nmatch: { path: 'inbound/*.csv' }\n");
    expect(out).toMatch(/^2 +20\S+ \S+Z +operator:operator +0 +0 +in force\n1 +20/m);
  }
  expect(JSON.parse((await longshore(['routes', 'shown', '--json'])).out)).toMatchObject({ version: 2 });
  await longshore(['apply', '-f', '-'], { input: route.replace('acme', 'globex') });
  const ambiguous = await longshore(['routes', 'shown']);
  expect([ambiguous.code, ambiguous.err]).toEqual([2, expect.stringContaining('acme/shown, globex/shown')]);
});

test('health shows what is missing, late and waiting for a person, and its exit code says so', async () => {
  const sick = await longshore(['health']);
  expect(sick.code).toBe(6);
  expect(sick.out).toMatch(/^router +not connected/m);
  expect(sick.out).toMatch(/^partner-steps +\d+ +\d+ +\d+ s$/m);
  expect(sick.out).toContain('Problem: The router is not connected to the database.');
  const [{ job }] = [await seedRecordFile()];
  await api.sql`UPDATE jobs SET state = 'WAITING', wait_reason = 'HELD', next_action_at = now() + interval '1 day' WHERE id = ${job.id}`;
  expect((await longshore(['health'])).out).toMatch(/^Needs a person: \d+ held jobs?; see `longshore jobs --held`\.$/m);
  const { services, version } = JSON.parse((await longshore(['health', '--json'])).out);
  expect(services.map(({ service }: { service: string }) => service)).toContain('retry-sweeper');
  expect(version).toMatch(/^\d+\.\d+\.\d+/);
});

test('previews an action, runs it, and shows how it goes and what it refused', async () => {
  await seedTenant(api.sql);
  const jobs = await seedJobs(api.sql, { count: 3 });
  const ids = jobs.flatMap(({ id }) => ['--id', id]);
  const seen = await longshore(['actions', 'preview', 'cancel', ...ids, '--since', '2h', '--rate', '50/s']);
  expect(seen.code).toBe(0);
  expect(seen.out).toMatch(/^state +PREVIEWED$/m);
  expect(seen.out).toMatch(new RegExp(`^takes +${jobs.length}$`, 'm'));
  expect(seen.out).toMatch(new RegExp(`^by tenant +acme +${jobs.length}$`, 'm'));
  const [, id = ''] = /longshore actions run (\S+) --reason TEXT/.exec(seen.err) ?? [];
  const ran = await longshore(['actions', 'run', id, '--reason', 'INC-1', '--canary', '1', '--json']);
  expect(JSON.parse(ran.out)).toMatchObject({ state: 'RUNNING', canary: 1, rate_per_second: 50, reason: 'INC-1' });
  expect((await longshore(['actions', 'pause', id])).out).toMatch(/^state +PAUSED \(PERSON\)$/m);
  expect((await longshore(['actions', 'resume', id])).out).toMatch(/^state +RUNNING$/m);
  await api.sql`UPDATE action_items SET state = 'REFUSED', code = 'JOB_NOT_OPEN' WHERE subject = ${jobs[0]!.id}`;
  await api.sql`UPDATE actions SET refused = 1 WHERE id = ${id}`;
  expect((await longshore(['actions', 'show', id])).out).toMatch(new RegExp(`^${jobs[0]!.id} +JOB_NOT_OPEN$`, 'm'));
  expect((await longshore(['actions', 'abort', id])).code).toBe(0);
  expect((await longshore(['actions', '--verb', 'cancel'])).out).toMatch(new RegExp(`^${id} +cancel +ABORTED`, 'm'));
  const approved = await longshore(['actions', 'approve', id]);
  expect([approved.code, approved.err]).toEqual([1, expect.stringContaining('ACTION_NOT_IN_STATE')]);
  const nothing = await longshore(['actions', 'preview', 'retry']);
  expect([nothing.code, nothing.err]).toEqual([1, expect.stringContaining('ACTION_FILTER_EMPTY')]);
  const wrong = await longshore(['actions', 'run', id, '--reason', 'x', '--stop-at', 'half']);
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('Give 0% to 100%.')]);
});
