/** Which events go first. What happens to an event is in `ingestor.test.ts`. */
import { expect, test } from 'vitest';
import type { LandingEvent } from '#shared/messages/landing-events.ts';
import type { Received } from '#shared/queue/define-message.ts';
import { createHandleLandingEvents } from './handle-landing-events.ts';
import { tenantIn } from './pass-on-flood.ts';

function eventOf(tenant: string): Received<LandingEvent> {
  const object = { key: `${tenant}/a.csv`, size: 1, etag: 'e' };
  const message = { type: 'Object Created', time: '2026-01-01T00:00:00Z', detail: { bucket: { name: 'b' }, object } };
  return { message, body: tenant, messageId: tenant } as unknown as Received<LandingEvent>;
}

function createBed(passesOn: readonly string[] = []) {
  const order: string[] = [];
  const handle = createHandleLandingEvents({
    sql: undefined as never,
    actor: 'ingestor',
    takeArrivals: async (reports) => {
      order.push(...reports.map(({ key }) => key));
      return reports.map(() => ({ type: 'ignored' }) as never);
    },
    passOnFlood: async (received) => new Set(received.filter(({ body }) => passesOn.includes(body))),
    isUrgent: (event) => tenantIn(event) === 'urgent',
    rightOfWay: {
      first: (work) => {
        order.push('first');
        return work();
      },
      after: (work) => {
        order.push('after');
        return work();
      },
    },
    recordedBucket: (bucket) => bucket,
    metrics: { events: { inc: () => undefined }, mailEvents: { inc: () => undefined } } as never,
    logger: { info: () => undefined, warn: () => undefined } as never,
  });
  const { signal } = new AbortController();
  return {
    order,
    take: async (queue: 'landing' | 'landing-overflow', ...tenants: string[]) =>
      (await handle(tenants.map(eventOf), { signal, queue })).length,
  };
}

test('events of the lane platinum have the right of way', async () => {
  const { take, order } = createBed();
  expect(await take('landing', 'urgent', 'urgent')).toBe(2);
  expect(order).toEqual(['first', 'urgent/a.csv', 'urgent/a.csv']);
});

test('events that wait for nothing are handled at once, and take nobody’s way', async () => {
  const { take, order } = createBed();
  expect(await take('landing', 'bulk', 'bulk')).toBe(2);
  expect(order).toEqual(['bulk/a.csv', 'bulk/a.csv']);
});

test('a flood comes after what is urgent, and only once it is in its own queue', async () => {
  const { take, order } = createBed(['bulk']);
  expect(await take('landing', 'bulk', 'other')).toBe(2);
  expect(order).toEqual(['other/a.csv']);
  expect(await take('landing-overflow', 'bulk')).toBe(1);
  expect(order).toEqual(['other/a.csv', 'after', 'bulk/a.csv']);
});
