import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type QueueServer, startQueueServer } from '#local/fauxqs/start-queue-server.ts';
import { claimPorts } from '#local/ports.ts';
import { type EventJournal, type ObjectCreated, openEventJournal } from '#local/s3/event-journal.ts';
import { uploadCompleted } from '#local/sftp/transfer-event.ts';
import { openTransferJournal, type TransferJournal } from '#local/sftp/transfer-journal.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';
import { landingRule } from './event-rule.ts';
import { objectSource, transferSource } from './event-source.ts';
import { type EventBridge, startEventBridge } from './start-event-bridge.ts';

const IDENTITY = { account: '000000000000', region: 'us-east-1' };
const QUEUE = 'longshore-landing';
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

let directory: string;
let queues: QueueServer;
/** Held while the queues are down. */
const claim = await claimPorts();
let client: SQSClient;
let queueUrl: string;
let objects: EventJournal;
let transfers: TransferJournal;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'longshore-bridge-'));
  queues = await startQueues();
  client = createSqsClient({
    region: 'us-east-1',
    endpoint: queues.url,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestTimeoutMs: 5_000,
  });
  queueUrl = (await client.send(new CreateQueueCommand({ QueueName: QUEUE }))).QueueUrl!;
  objects = openEventJournal(join(directory, 's3'));
  transfers = openTransferJournal(join(directory, 'sftp'));
});

afterEach(async () => {
  objects.close();
  transfers.close();
  client.destroy();
  await queues.stop();
  rmSync(directory, { recursive: true, force: true });
});
afterAll(() => claim.release());

function startQueues(): Promise<QueueServer> {
  return startQueueServer({
    directory: join(directory, 'queues'),
    host: '127.0.0.1',
    port: claim.base,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
}

function startBridge(): EventBridge {
  return startEventBridge({
    sources: [objectSource(objects, IDENTITY), transferSource(transfers)],
    rule: landingRule('longshore-landing'),
    client,
    queueName: QUEUE,
    logger: createLogger({ service: 'event-bridge', level: 'silent' }),
  });
}

function objectCreated(key: string, bucket = 'longshore-landing'): ObjectCreated {
  return {
    id: crypto.randomUUID(),
    time: new Date().toISOString(),
    bucket,
    key,
    size: 3,
    etag: '900150983cd24fb0d6963f7d28e17f72',
    versionId: 'version-1',
    sequencer: '00000000000000000001',
    reason: 'PutObject',
    requester: 'longshore',
  };
}

interface Received {
  readonly 'detail-type': string;
  readonly detail: { readonly object?: { readonly key: string } };
}

/** Receives until the events satisfy `isEnough`, or it is too late for this test. */
async function receive(isEnough: (events: Received[]) => boolean): Promise<Received[]> {
  const events: Received[] = [];
  const deadline = AbortSignal.timeout(100_000);
  while (!isEnough(events) && !deadline.aborted) {
    const { Messages: messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    events.push(...messages.map(({ Body: body }) => JSON.parse(body!) as Received));
    if (messages.length > 0) {
      const entries = messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
      await client.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }));
    }
  }
  return events;
}

const keysOf = (events: Received[]): string[] => events.map((event) => event.detail.object?.key ?? '');

describe('the event bridge', () => {
  it('sends an object-created event as EventBridge words it, with the key as it is', async () => {
    const bridge = startBridge();
    const entry = objectCreated('acme/in/Müller & Söhne +1.csv');
    objects.append(entry);
    const [event] = await receive((events) => events.length === 1);
    expect(event).toEqual({
      version: '0',
      id: entry.id,
      'detail-type': 'Object Created',
      source: 'aws.s3',
      account: '000000000000',
      time: entry.time.replace(/\.\d+Z/, 'Z'),
      region: 'us-east-1',
      resources: ['arn:aws:s3:::longshore-landing'],
      detail: {
        version: '0',
        bucket: { name: 'longshore-landing' },
        object: {
          key: 'acme/in/Müller & Söhne +1.csv',
          size: 3,
          etag: '900150983cd24fb0d6963f7d28e17f72',
          'version-id': 'version-1',
          sequencer: '00000000000000000001',
        },
        'request-id': expect.stringMatching(/^[0-9A-F]{16}$/),
        requester: 'longshore',
        'source-ip-address': '127.0.0.1',
        reason: 'PutObject',
      },
    });
    await bridge.stop();
  });

  it('sends events of keys with every character that a key may have', async () => {
    const bridge = startBridge();
    const keys = ['acme/🚢.csv', 'acme/\ufffe\uffff.csv', 'acme/\u0001\u007f.csv', 'acme/𝒜.csv'];
    for (const key of keys) objects.append(objectCreated(key));
    expect(keysOf(await receive((events) => events.length === keys.length)).sort()).toEqual([...keys].sort());
    await bridge.stop();
  });

  it('takes the events that its rule names and forgets the others', async () => {
    const bridge = startBridge();
    objects.append(objectCreated('elsewhere.csv', 'longshore-archive'));
    objects.append(objectCreated('sibling.csv', 'longshore-landing-2'));
    objects.append(objectCreated('wanted.csv'));
    expect(keysOf(await receive((events) => events.length === 1))).toEqual(['wanted.csv']);
    await vi.waitFor(() => expect(objects.read(10)).toEqual([]), { timeout: 60_000 });
    await bridge.stop();
  });

  it('sends the events of the SFTP gateway unchanged', async () => {
    const bridge = startBridge();
    const event = uploadCompleted(
      {
        server: { serverId: 's-0123456789abcdef0', ...IDENTITY },
        session: { sessionId: 'a1', username: 'acme-user', clientIp: '127.0.0.1' },
        startedAt: new Date(),
        endedAt: new Date(),
      },
      { bucket: 'longshore-landing', key: 'acme/a.csv', bytes: 3, etag: 'e' },
    );
    transfers.append(event);
    expect(await receive((events) => events.length === 1)).toEqual([event]);
    await bridge.stop();
  });

  it('puts each event into the queue when it is written', async () => {
    const bridge = startBridge();
    expect(await bridge.readiness()).toMatchObject({ ok: true });
    for (let round = 0; round < 5; round += 1) {
      objects.append(objectCreated(`latency-${round}`));
      // The journal forgets an entry once the queue has it.
      await vi.waitFor(() => expect(objects.read(1)).toEqual([]), { timeout: 60_000, interval: 5 });
    }
    await bridge.stop();
  });

  it('keeps events on disk while the queue is down and sends each once it is back', async () => {
    const bridge = startBridge();
    objects.append(objectCreated('before'));
    await vi.waitFor(() => expect(objects.read(1)).toEqual([]), { timeout: 60_000 });
    await queues.stop();
    const keys = Array.from({ length: 25 }, (_, index) => `while-down-${index}`);
    for (const key of keys) objects.append(objectCreated(key));
    await vi.waitFor(async () => expect(await failuresOf(bridge)).toBeGreaterThan(0), { timeout: 60_000 });
    expect(objects.read(100)).toHaveLength(25);
    queues = await startQueues();
    const events = await receive((all) => new Set(keysOf(all)).size === 26);
    expect(new Set(keysOf(events))).toEqual(new Set(['before', ...keys]));
    await bridge.stop();
    expect(objects.read(100)).toEqual([]);
  });

  it('loses nothing when its process is killed again and again', async () => {
    const keys = Array.from({ length: 300 }, (_, index) => `killed-${index}`);
    let bridge = spawnBridge();
    for (const [index, key] of keys.entries()) {
      objects.append(objectCreated(key));
      if (index % 20 === 0) await delay(5);
      if (index % 100 === 50) {
        await vi.waitFor(() => expect(objects.read(1, 0)[0]?.key).not.toBe(keys[0]), { timeout: 60_000 });
        expect(await bridge.end('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
        bridge = spawnBridge();
      }
    }
    const received = await receive((events) => new Set(keysOf(events)).size === keys.length);
    const said = `it ${bridge.hasEnded() ? 'has ended' : 'runs'}:\n${bridge.lines.join('\n')}`;
    expect(new Set(keysOf(received)), said).toEqual(new Set(keys));
    await vi.waitFor(() => expect(objects.read(1)).toEqual([]), { timeout: 60_000 });
    expect(await bridge.end('SIGTERM')).toEqual({ code: 0, signal: null });
  });
});

async function failuresOf(bridge: EventBridge): Promise<number> {
  const { values } = await bridge.metrics.failures.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

function spawnBridge(): TestProcess {
  return startProcess([MAIN], {
    env: {
      PATH: process.env.PATH,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_ENDPOINT_URL_SQS: queues.url,
      LONGSHORE_S3_DIRECTORY: join(directory, 's3'),
      LONGSHORE_SFTP_DIRECTORY: join(directory, 'sftp'),
      LONGSHORE_HTTP_HOST: '127.0.0.1',
      LONGSHORE_HTTP_PORT: '0',
    },
  });
}
