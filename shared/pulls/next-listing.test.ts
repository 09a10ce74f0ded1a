import { expect, test } from 'vitest';
import { sourceDocumentSchema } from '#shared/definitions/source-schema.ts';
import type { BusinessDays } from '#shared/expectations/plan-occurrences.ts';
import { nextListingMs } from './list-sources.ts';

const HOUR_MS = 3_600_000;

function sourceWith(when: unknown) {
  const fields = { kind: 'source', tenant: 'acme', name: 'in', remote: 'bank', directory: '/in', project: 'P' };
  return sourceDocumentSchema.parse({ ...fields, when });
}

/** Hours from `from` to the next listing. */
function hoursAfter(from: string, cron: string, timeZone = 'America/Chicago'): number {
  return (nextListingMs(sourceWith({ cron }), { timeZone }, Date.parse(from)) ?? Number.NaN) / HOUR_MS;
}

test('a time in the hour that spring leaves out comes once, and one that autumn repeats comes once', () => {
  // Chicago, 8 March 2026: 02:00 is 03:00.
  expect(hoursAfter('2026-03-08T06:00:00Z', '30 2 * * *')).toBeGreaterThanOrEqual(2);
  expect(hoursAfter('2026-03-08T06:00:00Z', '30 2 * * *')).toBeLessThanOrEqual(2.5);
  expect(hoursAfter('2026-03-08T09:00:00Z', '30 2 * * *')).toBe(22.5);
  // 1 November 2026: 01:30 comes at 06:30 and at 07:30 in UTC.
  expect(hoursAfter('2026-11-01T06:31:00Z', '30 1 * * *')).toBeGreaterThan(20);
});

test('after downtime the next listing is reckoned from now, whatever was missed', () => {
  expect(nextListingMs(sourceWith({ every: '5m' }), { timeZone: 'UTC' }, Date.parse('2026-01-01T00:00:00Z'))).toBe(
    300_000,
  );
  expect(hoursAfter('2026-07-01T12:30:00Z', '0 * * * *', 'UTC')).toBe(0.5);
  expect(hoursAfter('2026-02-28T00:00:00Z', '0 0 29 2 *', 'UTC')).toBeGreaterThan(365 * 24);
});

test('a source on request has no next time', () => {
  expect(nextListingMs(sourceWith('on-request'), { timeZone: 'UTC' }, 0)).toBeNull();
});

test('on days that its calendar leaves out nothing is listed', () => {
  const days: BusinessDays = {
    ...{ timeZone: 'America/Chicago', weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'], holidays: ['2027-01-01'] },
  };
  const next = (when: object, from: string) => {
    const ms = nextListingMs(sourceWith({ calendar: 'us-federal', ...when }), days, Date.parse(from));
    return new Date(Date.parse(from) + (ms ?? Number.NaN)).toISOString();
  };
  // The last working day of a year, at noon; then a holiday and a weekend.
  expect(next({ every: '1h' }, '2026-12-31T18:00:00Z')).toBe('2026-12-31T19:00:00.000Z');
  expect(next({ every: '1h' }, '2027-01-01T05:30:00Z')).toBe('2027-01-04T06:00:00.000Z');
  expect(next({ cron: '*/5 6-20 * * *' }, '2027-01-01T02:56:00Z')).toBe('2027-01-04T12:00:00.000Z');
  expect(next({ cron: '0 0 * * *' }, '2027-01-01T02:56:00Z')).toBe('2027-01-04T06:00:00.000Z');
  // A leap day that is a working day, and the Sunday on which clocks change.
  expect(next({ cron: '30 2 * * *' }, '2028-02-28T09:00:00Z')).toBe('2028-02-29T08:30:00.000Z');
  expect(next({ cron: '30 2 * * *' }, '2026-03-06T12:00:00Z')).toBe('2026-03-09T07:30:00.000Z');
  // A zone whose clocks never change.
  const tokyo = nextListingMs(
    sourceWith({ cron: '30 2 * * *' }),
    { ...days, timeZone: 'Asia/Tokyo' },
    Date.parse('2026-03-06T12:00:00Z'),
  );
  expect((tokyo ?? 0) / HOUR_MS).toBe(2 * 24 + 5.5);
});
