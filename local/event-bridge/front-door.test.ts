/** From the front door to the landing queue: gateway, S3 server and event bridge together. */
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateQueueCommand, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type QueueServer, startQueueServer } from '#local/fauxqs/start-queue-server.ts';
import { type EventJournal, openEventJournal } from '#local/s3/event-journal.ts';
import { LANDING_EVENTS, type LandingEvent } from '#shared/messages/landing-events.ts';
import { decodeMessage } from '#shared/queue/define-message.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { call, startTestGateway, type TestGateway } from '#testkit/beds/sftp-gateway-bed.ts';
import { LANDING, OUTBOUND } from '#testkit/servers/sftp-store.ts';
import { landingRule } from './event-rule.ts';
import { objectSource, transferSource } from './event-source.ts';
import { type EventBridge, startEventBridge } from './start-event-bridge.ts';

let test: TestGateway;
let queues: QueueServer;
let client: SQSClient;
let queueUrl: string;
let objects: EventJournal;
let bridge: EventBridge;

beforeAll(async () => {
  test = await startTestGateway();
  queues = await startQueueServer({
    directory: join(test.directory, 'queues'),
    host: '127.0.0.1',
    port: 0,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  client = createSqsClient({
    region: 'us-east-1',
    endpoint: queues.url,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  queueUrl = (await client.send(new CreateQueueCommand({ QueueName: 'landing' }))).QueueUrl!;
  objects = openEventJournal(join(test.directory, 's3'));
  bridge = startEventBridge({
    sources: [objectSource(objects, { account: '000000000000', region: 'us-east-1' }), transferSource(test.journal)],
    rule: landingRule(LANDING, [OUTBOUND]),
    client,
    queueName: 'landing',
    logger: createLogger({ service: 'event-bridge', level: 'silent' }),
  });
  await bridge.readiness();
});
afterAll(async () => {
  await bridge.stop();
  objects.close();
  client.destroy();
  await queues.stop();
  await test.stop();
});

/** Every message is one that the fleet reads. */
async function receive(count: number): Promise<LandingEvent[]> {
  const events: LandingEvent[] = [];
  const deadline = AbortSignal.timeout(60_000);
  while (events.length < count && !deadline.aborted) {
    const { Messages: messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    for (const { Body: body } of messages) {
      const decoded = decodeMessage<LandingEvent>(LANDING_EVENTS as never, body);
      if (!decoded.ok) throw new Error(decoded.reason);
      events.push(decoded.message);
    }
  }
  return events;
}

function find<Type extends LandingEvent['type']>(events: LandingEvent[], type: Type) {
  return events.find((event): event is Extract<LandingEvent, { type: Type }> => event.type === type)!;
}

it('what a session does beside uploads is in the landing queue, too', async () => {
  await test.store.send(new PutObjectCommand({ Bucket: OUTBOUND, Key: 'acme/answer.csv', Body: 'answer' }));
  const { sftp, close } = await test.connect();
  await call((done) => sftp.mkdir('/new', done));
  await call((done) => sftp.rmdir('/new', done));
  expect(String(await call<Buffer>((done) => sftp.readFile('/outbound/answer.csv', done)))).toBe('answer');
  await call((done) => sftp.writeFile('/gone.csv', 'x', done));
  await call((done) => sftp.unlink('/gone.csv', done));
  // With the object of the directory, and of the file, and its upload.
  const events = await receive(7);
  await close();
  const session = find(events, 'SFTP Server File Upload Completed').detail['session-id'];
  expect(session).toBeDefined();
  for (const [type, path] of [
    ['SFTP Server Directory Create Completed', { 'directory-path': `/${LANDING}/acme/new` }],
    ['SFTP Server Directory Delete Completed', { 'directory-path': `/${LANDING}/acme/new` }],
    ['SFTP Server File Download Completed', { 'file-path': `/${OUTBOUND}/acme/answer.csv`, bytes: 6 }],
    ['SFTP Server File Delete Completed', { 'file-path': `/${LANDING}/acme/gone.csv` }],
  ] as const)
    expect(find(events, type).detail).toMatchObject({ ...path, 'session-id': session });
});

describe('a file that comes through the front door', () => {
  it('is told of twice in the landing queue: its object, and that it is whole', async () => {
    const { sftp, close } = await test.connect();
    await call((done) => sftp.writeFile('/in/Grüße 50%.csv', 'a,b\n', done));
    const events = await receive(2);
    await close();
    const object = find(events, 'Object Created').detail.object;
    const [version] = await test.versions('acme/in/');
    expect(object).toMatchObject({ key: 'acme/in/Grüße 50%.csv', size: 4, 'version-id': version!.versionId });
    expect(find(events, 'SFTP Server File Upload Completed').detail).toMatchObject({
      'file-path': `/${LANDING}/${object.key}`,
      etag: object.etag,
      bytes: 4,
    });
  });

  it('and is cut off is told of as a partial object and a failure that carry the same entity tag', async () => {
    const { client: ssh, sftp } = await test.connect();
    ssh.on('error', () => undefined);
    const handle = await call<Buffer>((done) => sftp.open('/in/cut.csv', 'w', done));
    await call((done) => sftp.write(handle, Buffer.from('a,'), 0, 2, 0, done));
    ssh.destroy();
    const events = await receive(2);
    const object = find(events, 'Object Created').detail.object;
    expect(object).toMatchObject({ key: 'acme/in/cut.csv', size: 2 });
    expect(find(events, 'SFTP Server File Upload Failed').detail).toMatchObject({
      'file-path': `/${LANDING}/acme/in/cut.csv`,
      etag: object.etag,
      bytes: 2,
    });
  });
});
