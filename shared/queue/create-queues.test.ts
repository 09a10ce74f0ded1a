import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createQueues } from '#shared/queue/create-queues.ts';
import { readQueueDepth } from '#shared/queue/queue-depth.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createTopicPublisher, createTopics, topicArnsBelow } from '#shared/queue/topics.ts';
import { type Fauxqs, startFauxqs } from '#testkit/servers/start-fauxqs.ts';

let fauxqs: Fauxqs;
beforeAll(async () => {
  fauxqs = await startFauxqs();
});
afterAll(() => fauxqs.stop());

describe('queues', () => {
  it('are created with their DLQs, and brought to new settings when they exist', async () => {
    const client = fauxqs.sqs;
    const first = await createQueues({ client, prefix: 'q' });
    const again = await createQueues({ client, prefix: 'q', settings: { work: { visibilityTimeoutSeconds: 99 } } });
    expect(again).toEqual(first);
    expect(first.work.url).toMatch(/q-work\.fifo$/);
    expect(first.work.deadLetterUrl).toMatch(/q-work-dlq\.fifo$/);
    const { Attributes } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: first.work.url, AttributeNames: ['All'] }),
    );
    expect(Attributes).toMatchObject({ FifoQueue: 'true', VisibilityTimeout: '99' });
    expect(JSON.parse(Attributes?.RedrivePolicy ?? '')).toEqual({
      deadLetterTargetArn: first.work.deadLetterArn,
      maxReceiveCount: 3,
    });
  });

  it('are found by name, and a missing one is named in the error within the bound', async () => {
    const client = fauxqs.sqs;
    const { landing } = await createQueues({ client, prefix: 'u' });
    expect(await resolveQueueUrls({ client, names: ['u-landing'] })).toEqual({ 'u-landing': landing.url });
    await expect(resolveQueueUrls({ client, names: ['u-nowhere'], timeoutMs: 500 })).rejects.toMatchObject({
      code: 'DEPENDENCY_UNAVAILABLE',
      message: expect.stringContaining('u-nowhere'),
    });
  });

  it('are waited for while the server starts', async () => {
    const found = resolveQueueUrls({ client: fauxqs.sqs, names: ['late-landing'], timeoutMs: 10_000 });
    await createQueues({ client: fauxqs.sqs, prefix: 'late' });
    expect((await found)['late-landing']).toMatch(/late-landing$/);
  });

  it('tell how many messages stand in them', async () => {
    const { landing } = await createQueues({ client: fauxqs.sqs, prefix: 'd' });
    for (const DelaySeconds of [0, 0, 60]) {
      await fauxqs.sqs.send(new SendMessageCommand({ QueueUrl: landing.url, MessageBody: 'x', DelaySeconds }));
    }
    await fauxqs.sqs.send(new ReceiveMessageCommand({ QueueUrl: landing.url }));
    expect(await readQueueDepth({ client: fauxqs.sqs, queueUrl: landing.url })).toEqual({
      visible: 1,
      inFlight: 1,
      delayed: 1,
    });
  });
});

describe('topics', () => {
  it('are created once, and what is published reaches subscribers with its attributes', async () => {
    const client = fauxqs.sns;
    const topicArns = await createTopics({ client, prefix: 't' });
    expect(await createTopics({ client, prefix: 't' })).toEqual(topicArns);
    const { queueUrl } = fauxqs.server.createQueue('t-subscriber');
    fauxqs.server.subscribe({ topic: 't-success', queue: 't-subscriber', attributes: { RawMessageDelivery: 'true' } });
    const publisher = createTopicPublisher({ client, topicArns });
    const entries = Array.from({ length: 25 }, (_, n) => ({
      topic: 'success' as const,
      message: JSON.stringify({ n }),
      attributes: { type: 'job.succeeded' },
    }));
    const outcomes = await publisher.publish(entries);
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
    expect((await readQueueDepth({ client: fauxqs.sqs, queueUrl })).visible).toBe(25);
    const stored = fauxqs.server.inspectQueue('t-subscriber')?.messages.ready[0];
    expect(stored?.messageAttributes.type).toMatchObject({ StringValue: 'job.succeeded' });
  });

  it('are known by the beginning of their ARNs, without being asked for', async () => {
    const asked = await createTopics({ client: fauxqs.sns, prefix: 'known' });
    const beginning = asked.events.replace(/known-events$/, '');
    expect(topicArnsBelow(beginning, 'known')).toEqual(asked);
  });

  it('refuse a message that is too large without touching the others', async () => {
    const client = fauxqs.sns;
    const topicArns = await createTopics({ client, prefix: 'big' });
    const publisher = createTopicPublisher({ client, topicArns });
    expect(
      await publisher.publish([
        { topic: 'events', message: 'x'.repeat(300_000) },
        { topic: 'events', message: 'fine' },
      ]),
    ).toMatchObject([{ ok: false, retryable: false, reason: 'the message is over 256 KiB' }, { ok: true }]);
  });

  it('report every entry when the topic is gone', async () => {
    const topicArns = await createTopics({ client: fauxqs.sns, prefix: 'gone' });
    fauxqs.server.deleteTopic('gone-events');
    const publisher = createTopicPublisher({ client: fauxqs.sns, topicArns });
    expect(await publisher.publish([{ topic: 'events', message: 'x' }])).toMatchObject([{ ok: false }]);
  });
});
