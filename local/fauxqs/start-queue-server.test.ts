import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import {
  CreateTopicCommand,
  ListSubscriptionsCommand,
  ListTopicsCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type QueueServer, startQueueServer } from '#local/fauxqs/start-queue-server.ts';
import { claimPorts } from '#local/ports.ts';
import { startProcess } from '#testkit/servers/start-process.ts';

const REGION = 'us-east-1';
const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-queues-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

function clients(endpoint: string): { sqs: SQSClient; sns: SNSClient } {
  return {
    sqs: new SQSClient({ endpoint, region: REGION, credentials }),
    sns: new SNSClient({ endpoint, region: REGION, credentials }),
  };
}

async function receive(sqs: SQSClient, queue: string): Promise<string[]> {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queue }));
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }),
  );
  for (const { ReceiptHandle } of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  return Messages.map(({ Body }) => Body ?? '');
}

test('queues, messages and topics survive a restart on another port, and queue URLs follow', async () => {
  const before = await startQueueServer({ directory, host: '127.0.0.1', port: 0, region: REGION, credentials });
  const { sqs, sns } = clients(before.url);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'kept' }));
  await sqs.send(new CreateQueueCommand({ QueueName: 'kept.fifo', Attributes: { FifoQueue: 'true' } }));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'still here' }));
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'events' }));
  await sns.send(
    new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: 'arn:aws:sqs:us-east-1:000000000000:kept' }),
  );
  await before.stop();

  const { base: port, release } = await claimPorts();
  const after = await startQueueServer({ directory, host: '127.0.0.1', port, region: REGION, credentials });
  const again = clients(after.url);
  try {
    const found = await again.sqs.send(new GetQueueUrlCommand({ QueueName: 'kept' }));
    expect(found.QueueUrl).toBe(`http://127.0.0.1:${port}/000000000000/kept`);
    expect(await receive(again.sqs, 'kept')).toEqual(['still here']);
    expect(await receive(again.sqs, 'kept')).toEqual([]);
    const { Subscriptions } = await again.sns.send(new ListSubscriptionsCommand());
    expect(Subscriptions).toHaveLength(1);
    await again.sns.send(new PublishCommand({ TopicArn, Message: 'told' }));
    const [notification] = await receive(again.sqs, 'kept');
    expect(JSON.parse(notification ?? '{}')).toMatchObject({ Message: 'told' });
  } finally {
    await after.stop();
    await release();
  }
});

test('what was accepted is there after kill -9', async () => {
  const child = startProcess([fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: {
      LONGSHORE_QUEUES_DIRECTORY: directory,
      LONGSHORE_HTTP_PORT: '0',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
  });
  const [, url] = await child.untilLine(/"url":"([^"]+)"/);
  const { sqs } = clients(url!);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'kept' }));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'accepted' }));
  await child.end('SIGKILL');

  const after = await startQueueServer({ directory, host: '127.0.0.1', port: 0, region: REGION, credentials });
  try {
    expect(await receive(clients(after.url).sqs, 'kept')).toEqual(['accepted']);
  } finally {
    await after.stop();
  }
});

test.each(['plain', 'ordered.fifo'])(
  'a message of %s that a receiver gives back comes again at once, and its count stays',
  async (name) => {
    const server = await startQueueServer({ directory, host: '127.0.0.1', port: 0, region: REGION, credentials });
    try {
      const { sqs } = clients(server.url);
      const isFifo = name.endsWith('.fifo');
      const { QueueUrl } = await sqs.send(
        new CreateQueueCommand({ QueueName: name, Attributes: isFifo ? { FifoQueue: 'true' } : {} }),
      );
      for (const MessageBody of ['first', 'second']) {
        const fifo = { MessageGroupId: 'group', MessageDeduplicationId: MessageBody };
        await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...(isFifo && fifo) }));
      }
      const receiveOne = async () => {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MessageSystemAttributeNames: ['ApproximateReceiveCount'],
            WaitTimeSeconds: 2,
          }),
        );
        return Messages[0];
      };
      const first = await receiveOne();
      await sqs.send(
        new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: first?.ReceiptHandle, VisibilityTimeout: 0 }),
      );
      const again = [await receiveOne(), isFifo ? undefined : await receiveOne()];
      const same = again.find((message) => message?.Body === 'first');
      expect(same).toMatchObject({ Body: 'first', Attributes: { ApproximateReceiveCount: '2' } });
    } finally {
      await server.stop();
    }
  },
);

test('it serves neither objects nor other interfaces', async () => {
  const server = await startQueueServer({ directory, host: '127.0.0.1', port: 0, region: REGION, credentials });
  const port = new URL(server.url).port;
  try {
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await fetch(`${server.url}/bucket`, { method: 'PUT' })).status).toBe(404);
    expect((await fetch(`${server.url}/bucket/key`)).status).toBe(404);
    const others = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    for (const { address } of others.filter(({ internal, family }) => !internal && family === 'IPv4')) {
      await expect(fetch(`http://${address}:${port}/health`)).rejects.toThrow();
    }
    expect(server.url).toContain('127.0.0.1');
  } finally {
    await server.stop();
  }
});

describe('a request', () => {
  const publish = 'Action=CreateTopic&Name=forged&Version=2010-03-31';
  const formType = 'application/x-www-form-urlencoded';
  let server: QueueServer;
  let now = Date.now();
  beforeEach(async () => {
    now = Date.now();
    server = await startQueueServer({
      directory,
      host: '127.0.0.1',
      port: 0,
      region: REGION,
      credentials,
      now: () => now,
    });
  });
  afterEach(() => server.stop());

  const send = async (headers: Record<string, string>, body: string): Promise<{ status: number; text: string }> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    request(server.url, { method: 'POST', headers }, resolve).on('error', reject).end(body);
    const reply = await promise;
    return { status: reply.statusCode!, text: await text(reply) };
  };

  test('that is not signed is refused in the form of its protocol, and does nothing', async () => {
    const form = await send({ 'content-type': formType }, publish);
    expect(form).toMatchObject({
      status: 403,
      text: expect.stringMatching(/<ErrorResponse.*<Code>AccessDenied<\/Code>/s),
    });
    const target = 'AmazonSQS.ListQueues';
    const json = await send({ 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': target }, '{}');
    expect(json.status).toBe(403);
    expect(JSON.parse(json.text)).toMatchObject({ __type: expect.stringContaining('AccessDenied') });
    const { Topics } = await clients(server.url).sns.send(new ListTopicsCommand());
    expect(Topics ?? []).toEqual([]);
  });

  test('of a web page is refused, signed or not, whatever its protocol', async () => {
    for (const [name, value] of [
      ['origin', 'https://evil.example'],
      ['origin', 'null'],
      ['host', 'evil.example'],
      ['host', `evil.example:${new URL(server.url).port}`],
    ] as const) {
      const form = await send({ 'content-type': formType, [name]: value }, publish);
      expect(form).toMatchObject({ status: 403, text: expect.stringContaining('AccessDenied') });
    }
    const { sqs } = clients(server.url);
    addHeader(sqs, 'origin', 'https://evil.example');
    await expect(sqs.send(new ListQueuesCommand())).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
  });

  test.each([
    ['another secret', { ...credentials, secretAccessKey: 'other' }, 'SignatureDoesNotMatch'],
    ['another access key', { ...credentials, accessKeyId: 'other' }, 'InvalidAccessKeyId'],
  ])('signed with %s is refused', async (_, other, name) => {
    const options = { endpoint: server.url, region: REGION, credentials: other };
    await expect(new SQSClient(options).send(new ListQueuesCommand())).rejects.toMatchObject({ name });
    await expect(new SNSClient(options).send(new ListTopicsCommand())).rejects.toMatchObject({ name });
  });

  test('whose body was changed after it was signed is refused', async () => {
    const { sns } = clients(server.url);
    sns.middlewareStack.add(
      (next) => (args) => {
        const signed = args.request as { body: string };
        signed.body = signed.body.replace('signed', 'forged');
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low', name: 'change' },
    );
    await expect(sns.send(new CreateTopicCommand({ Name: 'signed' }))).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
  });

  test('that was signed long ago is refused', async () => {
    now += 3_600_000;
    const { sqs } = clients(server.url);
    await expect(sqs.send(new ListQueuesCommand())).rejects.toMatchObject({ name: 'RequestTimeTooSkewed' });
  });
});

function addHeader(client: SQSClient, name: string, value: string): void {
  client.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: object }).headers, { [name]: value });
      return next(args);
    },
    { step: 'build', name: 'addHeader' },
  );
}
