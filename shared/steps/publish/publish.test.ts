/** `publish` to a real queue and topic: what comes, once on FIFO ones, and what happens to lost replies. */
import { CreateTopicCommand, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createSendMessages, type SendMessages } from '#shared/queue/publish-messages.ts';
import { memoryEffectLog, NO_TARGETS, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { type ScriptedBus, startScriptedBus } from '#testkit/servers/start-scripted-bus.ts';
import { publishOptions } from './options.ts';
import { publishStep } from './run.ts';

let bench: StepBench;
let fauxqs: Fauxqs;
let queues = 0;

beforeAll(async () => {
  [bench, fauxqs] = await Promise.all([startStepBench(), startFauxqs()]);
});
afterAll(() => Promise.all([bench.stop(), fauxqs.stop()]));

const secrets = {
  read: async () => ({ text: JSON.stringify({ accessKeyId: 'test', secretAccessKey: 'test' }), version: '1' }),
};
const send = createSendMessages(secrets, createAddressGuard({ allow: ['127.0.0.0/8'] }));

async function createQueue(isFifo: boolean): Promise<string> {
  queues += 1;
  const QueueName = `q${queues}${isFifo ? '.fifo' : ''}`;
  const Attributes = isFifo ? { FifoQueue: 'true' } : undefined;
  const { QueueUrl = '' } = await fauxqs.sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  return QueueUrl;
}

async function receive(QueueUrl: string): Promise<{ body: Record<string, unknown>; key: string | undefined }[]> {
  const all = [];
  for (;;) {
    const { Messages = [] } = await fauxqs.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ['All'],
        VisibilityTimeout: 60,
      }),
    );
    if (Messages.length === 0) return all;
    for (const { Body = '{}', MessageAttributes } of Messages)
      all.push({ body: JSON.parse(Body), key: MessageAttributes?.['longshore-key']?.StringValue });
  }
}

const ROWS = recordsSchema.parse({ format: 'csv', columns: [{ name: 'id', type: 'integer' }] });

async function publish(options: object, request: object = {}, sending: SendMessages = send) {
  const object = await bench.land('a.csv', `id\n${Array.from({ length: 700 }, (_, index) => index).join('\n')}\n`);
  return await runStep(bench, {
    ...{ step: publishStep, kind: publishOptions, object },
    options: { credentials: 'aws', endpoint: fauxqs.endpoint, ...options },
    targets: { ...NO_TARGETS, sendMessages: sending },
    records: { layout: ROWS, failJobAt: 1, store: undefined as never },
    ...request,
  });
}

describe('to a queue', () => {
  let queue: string;
  beforeEach(async () => {
    queue = await createQueue(false);
  });
  const options = () => ({ to: 'sqs', target: queue, duplicates: 'allowed' });

  test('one message says which file it is, and a later try sends none', async () => {
    const effects = memoryEffectLog();
    const output = { to: 'sqs', target: queue, messages: 1 };
    expect(await publish(options(), { effects })).toMatchObject({ type: 'succeeded', output });
    expect(await publish(options(), { effects })).toMatchObject({ type: 'succeeded', output });
    expect(await receive(queue)).toMatchObject([
      { body: { path: 'a.csv', tenant: 'acme', name: 'a.csv', route: 'orders' }, key: 'acme/job-1/1' },
    ]);
  });

  test('each row is a message with a key of its own, in parts that are not sent again', async () => {
    const effects = memoryEffectLog();
    let calls = 0;
    const failing: SendMessages = async (...request) => {
      calls += 1;
      if (calls === 2) return { type: 'refused', mayPass: true, message: 'busy' };
      return await send(...request);
    };
    const perRecord = { ...options(), per: 'record' };
    expect(await publish(perRecord, { effects }, failing)).toMatchObject({
      type: 'retry',
      cause: 'PUBLISH_UNAVAILABLE',
    });
    expect(await publish(perRecord, { effects })).toMatchObject({ type: 'succeeded', output: { messages: 700 } });
    const came = await receive(queue);
    expect(came.map(({ body }) => Number(body.id)).sort((one, other) => one - other)).toEqual(
      Array.from({ length: 700 }, (_, index) => index),
    );
    expect(new Set(came.map(({ key }) => key)).size).toBe(700);
  });

  test('a lost reply is repeated, since the route allows duplicates', async () => {
    const effects = memoryEffectLog();
    const lost: SendMessages = async (...request) => {
      await send(...request);
      return { type: 'unsure', message: 'no reply' };
    };
    expect(await publish(options(), { effects }, lost)).toMatchObject({ type: 'retry' });
    expect(await publish(options(), { effects })).toMatchObject({ type: 'succeeded' });
    expect(await receive(queue)).toHaveLength(2);
  });

  test('what does not exist is refused for good, and a queue that is away is tried again', async () => {
    const wrong = { ...options(), target: `${queue}-gone` };
    expect(await publish(wrong)).toMatchObject({ type: 'failed', cause: 'PUBLISH_REFUSED' });
    const away = { ...options(), endpoint: 'http://127.0.0.1:9' };
    expect(await publish(away)).toMatchObject({ type: 'retry', cause: 'PUBLISH_UNAVAILABLE' });
    const inside = { ...options(), endpoint: 'http://169.254.169.254' };
    expect(await publish(inside)).toMatchObject({ type: 'failed', cause: 'PUBLISH_REFUSED' });
  });

  test('of a file that its layout rejects nothing is sent', async () => {
    const object = await bench.land('bad.csv', 'id\n1\nx\n');
    const layout = recordsSchema.parse({ ...ROWS, onReject: { action: 'reject-file' } });
    const records = { layout, failJobAt: 1, store: undefined as never };
    expect(await publish({ ...options(), per: 'record' }, { object, records })).toMatchObject({ type: 'failed' });
    expect(await receive(queue)).toEqual([]);
  });
});

describe('to a FIFO queue', () => {
  const lost: SendMessages = async (...request) => {
    await send(...request);
    return { type: 'unsure', message: 'no reply' };
  };

  test('a lost reply within four minutes is repeated, and nothing comes twice', async () => {
    const queue = await createQueue(true);
    const effects = memoryEffectLog();
    const options = { to: 'sqs', target: queue, per: 'record' };
    expect(await publish(options, { effects }, lost)).toMatchObject({ type: 'retry' });
    expect(await publish(options, { effects })).toMatchObject({ type: 'succeeded', output: { messages: 700 } });
    const { Attributes } = await fauxqs.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    expect(Attributes?.ApproximateNumberOfMessages).toBe('700');
  });

  test('after them it is in doubt; a refusal before anything was sent never is', async () => {
    const queue = await createQueue(true);
    const effects = memoryEffectLog();
    const [now, later] = [new Date('2026-01-02T03:00:00Z'), new Date('2026-01-02T03:05:00Z')];
    const options = { to: 'sqs', target: queue };
    const refused: SendMessages = async () => ({ type: 'refused', mayPass: true, message: 'busy' });
    expect(await publish(options, { effects, now }, refused)).toMatchObject({ type: 'retry' });
    expect(await publish(options, { effects, now: later }, refused)).toMatchObject({ type: 'retry' });
    expect(await publish(options, { effects, now: later }, lost)).toMatchObject({ type: 'retry' });
    const muchLater = new Date(later.getTime() + 300_000);
    expect(await publish(options, { effects, now: muchLater })).toMatchObject({
      ...{ type: 'ambiguous', cause: 'EFFECT_UNKNOWN' },
    });
    expect(await receive(queue)).toHaveLength(1);
  });
});

test('to a topic: its subscribers get the message with its key', async () => {
  const queue = await createQueue(false);
  const { TopicArn = '' } = await fauxqs.sns.send(new CreateTopicCommand({ Name: 'files' }));
  const { Attributes } = await fauxqs.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['QueueArn'] }),
  );
  await fauxqs.sns.send(
    new SubscribeCommand({
      ...{ TopicArn, Protocol: 'sqs', Endpoint: Attributes?.QueueArn },
      Attributes: { RawMessageDelivery: 'true' },
    }),
  );
  expect(await publish({ to: 'sns', target: TopicArn, duplicates: 'allowed' })).toMatchObject({ type: 'succeeded' });
  expect(await receive(queue)).toMatchObject([{ body: { path: 'a.csv' }, key: 'acme/job-1/1' }]);
});

describe.each([
  { to: 'kinesis', target: 'arn:aws:kinesis:us-east-1:111122223333:stream/files' },
  { to: 'eventbridge', target: 'arn:aws:events:us-east-1:111122223333:event-bus/files' },
] as const)('to $to', ({ to, target }) => {
  let bus: ScriptedBus;
  beforeEach(async () => {
    bus = await startScriptedBus();
  });
  afterEach(() => bus.stop());
  const options = () => ({ to, target, endpoint: bus.endpoint, duplicates: 'allowed' });

  test('one message says which file it is, with its key', async () => {
    expect(await publish(options())).toMatchObject({ type: 'succeeded', output: { to, target, messages: 1 } });
    expect(bus.taken).toMatchObject([
      {
        body: { path: 'a.csv', tenant: 'acme', name: 'a.csv', 'longshore-key': 'acme/job-1/1' },
        ...(to === 'kinesis' ? { group: 'acme' } : { source: 'longshore', type: 'Longshore File' }),
      },
    ]);
  });

  test('of the rows only those that were not taken are sent again', async () => {
    const Busy = to === 'kinesis' ? 'ProvisionedThroughputExceededException' : 'ThrottlingException';
    bus.answer((entries, request) => (request === 0 ? { untaken: { 0: Busy, [entries - 1]: Busy } } : {}));
    const perRecord = { ...options(), per: 'record' };
    expect(await publish(perRecord)).toMatchObject({ type: 'succeeded', output: { messages: 700 } });
    const ids = bus.taken.map(({ body }) => Number((body as Record<string, string>).id));
    expect(ids.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 700 }, (_, index) => index));
    expect(new Set(bus.taken.map(({ body }) => (body as Record<string, string>)['longshore-key'])).size).toBe(700);
  });

  test('what it refuses is refused for good, and what it cannot take now is tried again', async () => {
    bus.answer(() => ({ untaken: { 0: 'NotAuthorizedForSourceException' } }));
    expect(await publish(options())).toMatchObject({ type: 'failed', cause: 'PUBLISH_REFUSED' });
    bus.answer(() => ({ untaken: { 0: 'InternalFailure' } }));
    expect(await publish(options())).toMatchObject({ type: 'retry', cause: 'PUBLISH_UNAVAILABLE' });
    expect(await publish({ ...options(), region: 'eu-west-1' })).toMatchObject({ type: 'failed' });
    expect(await publish({ ...options(), endpoint: 'http://169.254.169.254' })).toMatchObject({ type: 'failed' });
    expect(bus.taken).toEqual([]);
  });
});

test('a refusal after some were taken does not say that none was', async () => {
  const bus = await startScriptedBus();
  const target = 'arn:aws:events:us-east-1:111122223333:event-bus/files';
  const options = { to: 'eventbridge', target, endpoint: bus.endpoint, duplicates: 'allowed', per: 'record' };
  bus.answer((_entries, request) => (request === 0 ? {} : { refused: 'AccessDeniedException' }));
  expect(await publish(options)).toMatchObject({ type: 'retry' });
  expect(bus.taken).toHaveLength(10);
  await bus.stop();
});

test.each([
  [{ to: 'kinesis', target: 'files', duplicates: 'allowed' }, 'target'],
  [{ to: 'eventbridge', target: 'arn:aws:events:us-east-1:1:event-bus/a.fifo' }, 'duplicates'],
  [{ to: 'sqs', target: 'https://sqs.example/1/q' }, 'duplicates'],
  [{ to: 'sqs', target: 'q.fifo' }, 'target'],
  [{ to: 'sns', target: 'https://sns.example/t.fifo' }, 'target'],
])('%j is refused when it is applied, for its %s', (options, field) => {
  const parsed = publishOptions.schema.safeParse({ credentials: 'aws', ...options });
  expect(parsed.error?.issues.map(({ path }) => path[0])).toEqual([field]);
});
