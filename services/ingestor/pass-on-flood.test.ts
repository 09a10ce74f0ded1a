import { expect, test } from 'vitest';
import type { LandingEvent } from '#shared/messages/landing-events.ts';
import type { Received } from '#shared/queue/define-message.ts';
import { createPassOnFlood } from './pass-on-flood.ts';

const TENANTS = { 'wants-order': 'must not wait', bulk: 'may wait', urgent: 'must not wait' } as const;

function eventOf(tenant: string, index: number): Received<LandingEvent> {
  const object = { key: `${tenant}/${index}.csv`, size: 1, etag: 'e' };
  const message = { type: 'Object Created', time: '2026-01-01T00:00:00Z', detail: { bucket: { name: 'b' }, object } };
  return { message, body: `${tenant} ${index}` } as unknown as Received<LandingEvent>;
}

function eventsOf(tenant: keyof typeof TENANTS, count: number): Received<LandingEvent>[] {
  return Array.from({ length: count }, (_, index) => eventOf(tenant, index));
}

function createRule({ hasUrgent = true, accepts = (_body: string): boolean => true } = {}) {
  const sent: string[] = [];
  const passOn = createPassOnFlood({
    directory: {
      hasUrgent: () => hasUrgent,
      mayWait: (id) => TENANTS[id as keyof typeof TENANTS] === 'may wait',
    },
    sender: {
      send: async (entries) =>
        entries.map(({ message }) => {
          if (!accepts(message)) return { ok: false, retryable: true, reason: 'throttled' };
          sent.push(message);
          return { ok: true, messageId: 'm' };
        }),
    },
  });
  return { passOn, sent };
}

test('more than ten that may wait are passed on', async () => {
  const { passOn, sent } = createRule();
  const received = [...eventsOf('bulk', 60), ...eventsOf('urgent', 30), ...eventsOf('wants-order', 30)];
  const passed = await passOn(received, 'landing');
  expect([...passed]).toEqual(received.slice(0, 60));
  expect(sent).toEqual(received.slice(0, 60).map(({ body }) => body));
});

test.each([
  ['ten together', {}, 10, 'landing'],
  ['what comes from the queue of the flood', {}, 60, 'landing-overflow'],
  ['a flood that nothing urgent can follow', { hasUrgent: false }, 60, 'landing'],
] as const)('%s: nothing is passed on', async (_name, rule, count, queue) => {
  const { passOn, sent } = createRule(rule);
  expect(await passOn(eventsOf('bulk', count), queue)).toEqual(new Set());
  expect(sent).toEqual([]);
});

test('what the queue does not accept is not passed on', async () => {
  const { passOn } = createRule({ accepts: (body) => body !== 'bulk 30' });
  const received = eventsOf('bulk', 32);
  expect([...(await passOn(received, 'landing'))]).toEqual([...received.slice(0, 30), received[31]]);
});
