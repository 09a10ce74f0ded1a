/**
 * Files that are published, posted and mailed by workers that are killed all the time: what a target can tell apart comes once, and what nobody
 * can ask about is sent at most once and is in doubt otherwise (P4); nothing stays between (P5).
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateQueueCommand, GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DefinitionKind } from '#shared/db/schema.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { routeDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { startWorkBed, type WorkBed } from '#testkit/beds/start-work-bed.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';

const MAIN = new URL('main.ts', import.meta.url);
const KILLS = repeatTimes(25);
const FILES = 24;
/** Long enough that many kills come between a request and its reply. */
const LONGEST_REPLY_MS = 300;
const KINDS = ['mail', 'post', 'publish'] as const;

let bed: WorkBed;
let fauxqs: Fauxqs;
let queue: string;
let partner: Server;
let smtp: SMTPServer;
let secrets: string;
/** By the file: how often it was taken. */
const posted = new Map<string, number>();
/** By Message-ID. */
const mailed = new Map<string, number>();
const count = (ledger: Map<string, number>, key: string) => ledger.set(key, (ledger.get(key) ?? 0) + 1);

beforeAll(async () => {
  [bed, fauxqs] = await Promise.all([startWorkBed(), startFauxqs()]);
  const created = await fauxqs.sqs.send(
    new CreateQueueCommand({ QueueName: 'sent.fifo', Attributes: { FifoQueue: 'true' } }),
  );
  queue = created.QueueUrl ?? '';
  partner = createServer(async (request, response) => {
    count(posted, await text(request));
    await delay(Math.random() * LONGEST_REPLY_MS);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  partner.listen(0, '127.0.0.1');
  smtp = new SMTPServer({
    ...{ authOptional: true, disabledCommands: ['STARTTLS', 'AUTH'] },
    onData(stream, _session, done) {
      text(stream).then(async (mail) => {
        count(mailed, /^Message-ID: *(\S+)/im.exec(mail)?.[1] ?? 'none');
        await delay(Math.random() * LONGEST_REPLY_MS);
        done();
      }, done);
    },
  });
  smtp.on('error', () => {});
  smtp.listen(0, '127.0.0.1');
  secrets = await mkdtemp(join(tmpdir(), 'longshore-secrets-'));
  await mkdir(join(secrets, 'acme'));
  const keys = JSON.stringify({ accessKeyId: 'test', secretAccessKey: 'test' });
  await writeFile(join(secrets, 'acme/aws'), keys, { mode: 0o600 });
  await writeFile(join(secrets, 'acme/desk'), 'a-secret-of-the-desk', { mode: 0o600 });
  await seedRoutes(bed.sql, { routes: [['stage'], ['stage'], ['stage']] });
  await apply(
    'partner',
    'desk',
    partnerDocumentSchema.parse({
      ...{ kind: 'partner', tenant: 'acme', name: 'desk', timeout: '5s' },
      baseUrl: `http://127.0.0.1:${(partner.address() as AddressInfo).port}`,
      auth: { type: 'static', secret: 'desk', prefix: 'Bearer ' },
      operations: { take: { method: 'POST', path: '/take', file: 'body', idempotent: false } },
    }),
  );
  const steps = [
    { publish: { to: 'sqs', target: queue, endpoint: fauxqs.endpoint, credentials: 'aws' } },
    { post: { partner: 'desk', operation: 'take' } },
    { mail: { to: ['desk@bank.example'], subject: '{{ name }}' } },
  ];
  for (const [index, step] of steps.entries())
    await apply(
      'route',
      `route-${index}`,
      routeDocumentSchema.parse({
        ...{ kind: 'route', tenant: 'acme', name: `route-${index}`, match: { path: '**' } },
        ...{ retry: { maxAttempts: 100, firstDelay: '100ms' }, steps: [step] },
      }),
    );
});
afterAll(async () => {
  await bed?.stop();
  partner?.closeAllConnections();
  partner?.close();
  await Promise.all([
    fauxqs?.stop(),
    new Promise<void>((done) => (smtp === undefined ? done() : smtp.close(() => done()))),
    rm(secrets, { recursive: true, force: true }),
  ]);
});

const apply = (kind: DefinitionKind | 'route', name: string, definition: unknown) =>
  applyDefinition(
    bed.sql,
    kind,
    { tenantId: 'acme', name, definition, definitionHash: JSON.stringify(definition) },
    'test',
  );

async function settled(): Promise<number> {
  const [row] = await bed.sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM effects WHERE stage IN ('DONE', 'UNKNOWN')`;
  return row?.n ?? 0;
}

async function effectsOf(kind: string, stage: string): Promise<number> {
  const [row] = await bed.sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM effects WHERE kind = ${kind} AND stage = ${stage}`;
  return row?.n ?? 0;
}

test(`${KILLS} kills repeat nothing that nobody can ask about`, async () => {
  const jobs = await bed.putFiles({ count: FILES, bodyOf: (index) => Buffer.from(`file ${index}`) });
  const env = {
    ...{ LONGSHORE_SECRETS_DIRECTORY: secrets, LONGSHORE_PARTNER_ADDRESSES: '127.0.0.0/8', LONGSHORE_SLOTS: '4' },
    ...{
      LONGSHORE_SMTP_HOST: '127.0.0.1',
      LONGSHORE_SMTP_TLS: 'none',
      LONGSHORE_SMTP_FROM: 'Longshore <l@fleet.example>',
    },
    LONGSHORE_SMTP_PORT: String((smtp.server.address() as AddressInfo).port),
  };
  const all = FILES * KINDS.length;
  await bed.wakeUps.sendJobs(jobs);
  for (let kill = 0; kill < KILLS && (await settled()) < all; kill += 1) {
    const worker = await bed.startWorker(MAIN, env);
    await bed.sweep();
    await delay(Math.random() * 600);
    await worker.end('SIGKILL');
  }
  await bed.startWorker(MAIN, env);
  await expect
    .poll(
      async () => {
        await bed.sweep();
        return await settled();
      },
      { timeout: 240_000, interval: 500 },
    )
    .toBe(all);

  // Asking tells, as the queue drops what it was sent before.
  expect(await effectsOf('publish', 'DONE')).toBe(FILES);
  const { Attributes } = await fauxqs.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['ApproximateNumberOfMessages'] }),
  );
  expect(Attributes?.ApproximateNumberOfMessages).toBe(String(FILES));
  for (const [kind, ledger] of [
    ['post', posted],
    ['mail', mailed],
  ] as const) {
    expect([...ledger.values()].every((times) => times === 1)).toBe(true);
    // What was taken and is not known as done is in doubt: a person is asked.
    const [done, unknown] = [await effectsOf(kind, 'DONE'), await effectsOf(kind, 'UNKNOWN')];
    expect(done + unknown).toBe(FILES);
    expect(ledger.size).toBeGreaterThanOrEqual(done);
  }
}, 400_000);
