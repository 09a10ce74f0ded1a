/** Each kind of channel through the outbox: refused and taken later with the same id, or parked once its tries are spent. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { SMTPServer } from 'smtp-server';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { CHANNEL_KINDS, type ChannelKind, channelSchema } from '#shared/definitions/notify-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { retryNotices } from '#shared/notices/notice-transitions.ts';
import { createNoticeSender, type NoticeSender } from '#shared/notices/send-notice.ts';
import { createTopicPublisher } from '#shared/queue/topics.ts';
import { TOPIC_IDS, type TopicId } from '#shared/runtime/config/resource-names.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { type SweeperTestBed, startSweeperTestBed } from '#testkit/beds/sweeper-bed.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { arrivedObject } from '#testkit/seeds/seed-jobs.ts';
import { seedFiles, seedRoutes } from '#testkit/seeds/seed-routed-files.ts';
import { type Receiver, startReceiver } from '#testkit/servers/start-receiver.ts';
import { createRetrySweeperMetrics } from './metrics.ts';
import { sendNotices } from './send-notices.ts';

/** By kind, as a definition says it. */
const OPTIONS = {
  webhook: { urlSecret: 'url', signingSecret: 'key' },
  slack: { urlSecret: 'url' },
  teams: { urlSecret: 'url' },
  email: { to: ['desk@acme.example'] },
  sns: {},
  ticket: { urlSecret: 'url', authorizationSecret: 'key', system: 'servicenow' },
} as const satisfies Record<ChannelKind, object>;

let bed: SweeperTestBed;
let directory: string;
let receiver: Receiver;
let mailServer: SMTPServer;
let sender: NoticeSender;
let registry: Registry;
let metrics: ReturnType<typeof createRetrySweeperMetrics>;
let topicArns: Record<TopicId, string>;
let topics: 'there' | 'missing';
let isTaking: boolean;
/** Whole mails. */
let mails: string[];
let queueUrl: string;

beforeAll(async () => {
  bed = await startSweeperTestBed();
  directory = await mkdtemp(join(tmpdir(), 'notices-'));
  await mkdir(join(directory, 'acme'));
  mailServer = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData: (stream, _session, callback) => {
      // What it refuses at the end it has seen all the same.
      void text(stream).then((mail) => {
        mails.push(mail);
        callback(isTaking ? null : Object.assign(new Error('later'), { responseCode: 451 }));
      });
    },
  });
  mailServer.listen(0, '127.0.0.1');
  await once(mailServer.server, 'listening');
});

afterAll(async () => {
  await new Promise<void>((resolve) => mailServer.close(() => resolve()));
  await bed.stop();
  await rm(directory, { recursive: true });
});

beforeEach(async () => {
  await emptyTables(bed.sql, 'tenants', 'job_steps', 'audit_events', 'outbox', 'notices');
  mails = [];
  isTaking = true;
  receiver = await startReceiver();
  receiver.answer = () => ({ status: isTaking ? 200 : 503, body: 'ok' });
  await writeFile(join(directory, 'acme/url'), receiver.url, { mode: 0o600 });
  await writeFile(join(directory, 'acme/key'), 'signing-key', { mode: 0o600 });
  registry = new Registry();
  metrics = createRetrySweeperMetrics(registry);
  await begin('there');
});

/** With its own topics, or with those of a name that nobody made. */
async function begin(are: 'there' | 'missing'): Promise<void> {
  topics = are;
  if (are === 'there') {
    const { prefix, topics: made } = await bed.begin();
    topicArns = made;
    const { QueueUrl } = await bed.fauxqs.sqs.send(new CreateQueueCommand({ QueueName: `${prefix}-subscriber` }));
    queueUrl = QueueUrl ?? '';
    const attributes = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] });
    const Endpoint = (await bed.fauxqs.sqs.send(attributes)).Attributes?.QueueArn;
    const Attributes = { RawMessageDelivery: 'true' };
    await bed.fauxqs.sns.send(new SubscribeCommand({ TopicArn: made.notices, Protocol: 'sqs', Endpoint, Attributes }));
  }
  const missing = Object.fromEntries(TOPIC_IDS.map((id) => [id, `${topicArns.notices}-missing`]));
  sender?.close();
  sender = createNoticeSender({
    secrets: createFileSecretStore(directory),
    addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    publisher: createTopicPublisher({
      client: bed.fauxqs.sns,
      topicArns: are === 'there' ? topicArns : (missing as Record<TopicId, string>),
    }),
    mailServer: {
      host: '127.0.0.1',
      port: (mailServer.server.address() as { port: number }).port,
      tls: 'none',
      from: 'Longshore <longshore@acme.example>',
    },
    deadlineMs: 5_000,
  });
}

afterEach(async () => {
  sender.close();
  await receiver.stop();
});

/** Whoever is at the other end takes nothing, or takes all again. */
async function take(isWilling: boolean, kind: ChannelKind): Promise<void> {
  isTaking = isWilling;
  if (kind === 'sns' && topics !== (isWilling ? 'there' : 'missing')) await begin(isWilling ? 'there' : 'missing');
}

async function tellOf(kind: ChannelKind): Promise<void> {
  await seedRoutes(bed.sql, { routes: [['deliver']] });
  const notify = [channelSchema.parse({ name: 'desk', on: ['large-file'], [kind]: OPTIONS[kind] })];
  const tenant = { id: 'acme', name: 'Acme', timeZone: 'UTC', homeRegion: null, ignoreGlobs: [], notify };
  await applyTenants(bed.sql, [tenant], 'test');
  await seedFiles(bed.sql, { isLarge: true, objects: [arrivedObject({ name: `${randomUUID()}.csv` })] });
}

async function tick(mostAttempts = 15): Promise<void> {
  await bed.sql`UPDATE notices SET next_action_at = now(), locked_until = NULL WHERE state = 'PENDING'`;
  const logger = pino({ level: 'silent' });
  await sendNotices({ sql: bed.sql, sender, mostAttempts, metrics, logger, random: () => 1 });
}

const rows = () => bed.sql`SELECT state, attempts, error_cause AS cause FROM notices`;

/** The ids by which a receiver knows a notice that it has seen, of each try that came through to it. */
async function idsSeen(kind: ChannelKind): Promise<string[]> {
  if (kind === 'email') return mails.map((mail) => /^Message-ID: <([^.]+)\./im.exec(mail)?.[1] ?? '');
  if (kind !== 'sns') return receiver.received.map(({ headers }) => String(headers['webhook-id']));
  const receive = new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10 });
  return ((await bed.fauxqs.sqs.send(receive)).Messages ?? []).map(({ Body = '' }) => JSON.parse(Body).id);
}

async function eventId(): Promise<string> {
  const [event] = await bed.sql<{ id: string }[]>`SELECT id FROM audit_events WHERE type = 'file.routed'`;
  return event?.id ?? '';
}

test.each(CHANNEL_KINDS)(
  '%s that refuses gets it again later, by the id that it had, and once it is taken no more',
  async (kind) => {
    await tellOf(kind);
    await take(false, kind);
    await tick();
    expect(await rows()).toEqual([{ state: 'PENDING', attempts: 1, cause: 'NOTICE_REFUSED' }]);
    await take(true, kind);
    await tick();
    expect(await rows()).toEqual([]);
    await tick();
    const id = await eventId();
    // A topic that is missing sees nothing of the first try.
    expect(await idsSeen(kind)).toEqual(kind === 'sns' ? [id] : [id, id]);
    const counted = await registry.metrics();
    expect(counted).toContain(`longshore_notices_total{channel="${kind}",outcome="later"} 1`);
    expect(counted).toContain(`longshore_notices_total{channel="${kind}",outcome="sent"} 1`);
  },
);

test.each(CHANNEL_KINDS)(
  '%s that never takes it has it parked after its tries, and gets it when an operator says so',
  async (kind) => {
    await tellOf(kind);
    await take(false, kind);
    for (let attempt = 1; attempt <= 4; attempt += 1) await tick(3);
    expect(await rows()).toEqual([{ state: 'PARKED', attempts: 3, cause: 'NOTICE_REFUSED' }]);
    expect(await bed.sql`SELECT actor FROM audit_events WHERE type = 'notice.parked'`).toHaveLength(1);
    await take(true, kind);
    expect(await retryNotices(bed.sql, { tenantId: 'acme', actor: 'operator:x', reason: 'it is back' })).toBe(1);
    await tick(3);
    expect(await rows()).toEqual([]);
    expect(new Set(await idsSeen(kind))).toEqual(new Set([await eventId()]));
  },
);
