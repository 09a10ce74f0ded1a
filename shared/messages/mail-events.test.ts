import { expect, test } from 'vitest';
import { decodeMessage } from '#shared/queue/define-message.ts';
import { mailEvent } from './mail-events.ts';

const MAIL = {
  timestamp: '2026-06-01T10:00:00.000Z',
  messageId: 'm-1',
  destination: ['ada@example.com'],
  tags: { ls_line: ['2'] },
};
const DELIVERY = { eventType: 'Delivery', mail: MAIL, delivery: { timestamp: '2026-06-01T10:00:05.000Z' } };
const read = (body: unknown) => decodeMessage([mailEvent], JSON.stringify(body));
const inTopic = (event: unknown) => ({
  ...{ Type: 'Notification', MessageId: 'n-1', TopicArn: 'arn:aws:sns:eu-central-1:1:mail' },
  ...{ Timestamp: '2026-06-01T10:00:06.000Z', Message: typeof event === 'string' ? event : JSON.stringify(event) },
});

test('an event is the same by EventBridge, in the envelope of a topic, and without it', () => {
  const bus = read({ id: 'n-1', source: 'aws.ses', time: '2026-06-01T10:00:06Z', detail: DELIVERY });
  const topic = read(inTopic(DELIVERY));
  const raw = read(DELIVERY);
  for (const result of [bus, topic, raw])
    expect(result).toMatchObject({
      ok: true,
      message: { type: 'mail event', detail: { eventType: 'Delivery', mail: { messageId: 'm-1' } } },
    });
  expect(topic).toMatchObject({ message: { id: 'n-1', time: '2026-06-01T10:00:06.000Z' } });
  expect(raw).toMatchObject({ message: { time: '2026-06-01T10:00:05.000Z' } });
});

test('the notice of an identity is read as the event that it is', () => {
  const { eventType: notificationType, ...rest } = DELIVERY;
  expect(read(inTopic({ ...rest, notificationType }))).toMatchObject({
    ok: true,
    message: { detail: { eventType: 'Delivery' } },
  });
});

test.each([
  [
    'the confirmation of a subscription',
    { ...inTopic(DELIVERY), Type: 'SubscriptionConfirmation', SubscribeURL: 'http://x' },
  ],
  ['an envelope around no JSON', inTopic('hello')],
  ['an envelope around a list', inTopic('[1]')],
  ['an envelope around an envelope', inTopic(inTopic(DELIVERY))],
  ['an event without a mail', inTopic({ eventType: 'Delivery', mail: null })],
  ['a mail without an id', inTopic({ eventType: 'Delivery', mail: {} })],
  ['tags that are no lists', inTopic({ ...DELIVERY, mail: { ...MAIL, tags: { ls_line: '2' } } })],
  ['a time that is none', { ...inTopic(DELIVERY), Timestamp: 'yesterday' }],
])('%s is not one', (_name, body) => {
  expect(read(body)).toMatchObject({ ok: false, code: 'MESSAGE_INVALID' });
});
