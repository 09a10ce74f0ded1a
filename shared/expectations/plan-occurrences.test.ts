import { describe, expect, test } from 'vitest';
import { expectationDocumentSchema } from '#shared/definitions/expectation-schema.ts';
import { type BusinessDays, planOccurrences } from './plan-occurrences.ts';

const dueOf = (due: unknown) =>
  expectationDocumentSchema.parse({ kind: 'expectation', tenant: 'acme', name: 'orders', match: '**', due }).due;

function plan(
  due: unknown,
  days: BusinessDays,
  { from, until, most = 100 }: { from: string; until: string; most?: number },
) {
  const planned = planOccurrences(dueOf(due), days, { afterMs: Date.parse(from), untilMs: Date.parse(until), most });
  const iso = (ms: number) => new Date(ms).toISOString().replace(':00.000Z', 'Z');
  return planned.map(({ opensMs, dueMs, closesMs }) => [iso(opensMs), iso(dueMs), iso(closesMs)].join(' '));
}

const BERLIN = { timeZone: 'Europe/Berlin' };
const CHICAGO = {
  timeZone: 'America/Chicago',
  weekdays: ['mon', 'tue', 'wed', 'thu', 'fri'] as const,
  holidays: ['2026-12-25', '2027-01-01'],
};

describe('a time of day', () => {
  test('is due on business days alone, at that time of the zone', () => {
    const due = { at: '07:00', opens: '05:00', graceUntil: '09:00' };
    expect(plan(due, CHICAGO, { from: '2026-12-24T00:00:00Z', until: '2026-12-29T00:00:00Z' })).toEqual([
      '2026-12-24T11:00Z 2026-12-24T13:00Z 2026-12-24T15:00Z',
      '2026-12-28T11:00Z 2026-12-28T13:00Z 2026-12-28T15:00Z',
    ]);
  });

  test('opens on the day before, and closes on the day after, where the clock says so', () => {
    const due = { at: '02:00', opens: '22:00', graceUntil: '01:00' };
    expect(plan(due, BERLIN, { from: '2026-06-01T00:00:00Z', until: '2026-06-02T01:00:00Z' })).toEqual([
      '2026-06-01T20:00Z 2026-06-02T00:00Z 2026-06-02T23:00Z',
    ]);
  });

  test('without a grace closes after a day, or when the next is due', () => {
    expect(plan({ at: '07:00' }, BERLIN, { from: '2026-06-01T00:00:00Z', until: '2026-06-01T23:00:00Z' })).toEqual([
      '2026-05-31T22:00Z 2026-06-01T05:00Z 2026-06-02T05:00Z',
    ]);
  });

  test('that the day in spring leaves out is an hour later, and the first of two in autumn', () => {
    const due = { at: '02:30', opens: '01:00' };
    const spring = plan(due, BERLIN, { from: '2026-03-28T12:00:00Z', until: '2026-03-30T12:00:00Z' });
    expect(spring.map((text) => text.split(' ')[1])).toEqual(['2026-03-29T01:30Z', '2026-03-30T00:30Z']);
    const autumn = plan(due, BERLIN, { from: '2026-10-24T12:00:00Z', until: '2026-10-26T12:00:00Z' });
    expect(autumn.map((text) => text.split(' ')[1])).toEqual(['2026-10-25T00:30Z', '2026-10-26T01:30Z']);
  });

  test('goes over a leap day and the end of a year', () => {
    const due = { at: '23:59' };
    const days = { timeZone: 'UTC' };
    expect(plan(due, days, { from: '2028-02-28T12:00:00Z', until: '2028-03-01T12:00:00Z' })).toHaveLength(2);
    expect(plan(due, days, { from: '2026-12-31T12:00:00Z', until: '2027-01-01T23:59:00Z' })).toEqual([
      '2026-12-31T00:00Z 2026-12-31T23:59Z 2027-01-01T23:59Z',
      '2027-01-01T00:00Z 2027-01-01T23:59Z 2027-01-02T23:59Z',
    ]);
  });
});

describe('a schedule', () => {
  test('is due at its times on business days, each open before it', () => {
    const due = { cron: '0 7,19 * * *', opensBefore: '2h', grace: '30m' };
    expect(plan(due, CHICAGO, { from: '2026-12-31T12:00:00Z', until: '2027-01-04T14:00:00Z' })).toEqual([
      '2026-12-31T11:00Z 2026-12-31T13:00Z 2026-12-31T13:30Z',
      '2026-12-31T23:00Z 2027-01-01T01:00Z 2027-01-01T01:30Z',
      '2027-01-04T11:00Z 2027-01-04T13:00Z 2027-01-04T13:30Z',
    ]);
  });

  test('that comes true every four years, or never, ends', () => {
    const range = { from: '2026-01-01T00:00:00Z', until: '2027-01-01T00:00:00Z' };
    expect(plan({ cron: '0 7 29 2 *' }, BERLIN, range)).toEqual([]);
    expect(plan({ cron: '0 7 31 2 *' }, BERLIN, range)).toEqual([]);
  });

  test('of every minute is cut at what was asked for, and a file is in time for one of them', () => {
    const range = { from: '2026-01-01T00:00:30Z', until: '2027-01-01T00:00:00Z', most: 2 };
    expect(plan({ cron: '* * * * *' }, BERLIN, range)).toEqual([
      '2026-01-01T00:00Z 2026-01-01T00:01Z 2026-01-01T00:02Z',
      '2026-01-01T00:01Z 2026-01-01T00:02Z 2026-01-01T00:03Z',
    ]);
  });
});

test.each([
  [{ at: '24:00' }, 'must be a time of day'],
  [{ at: '07:00', cron: '0 7 * * *' }, 'has either `at` or `cron`'],
  [{}, 'has either `at` or `cron`'],
  [{ at: '07:00', grace: '1h' }, 'belongs to `cron`'],
  [{ cron: '0 7 * * *', opens: '05:00' }, 'belongs to `at`'],
  [{ cron: '@daily; rm' }, 'is not a schedule'],
  [{ at: '07:00', timeZone: 'Mars/Olympus' }, 'is not an IANA time zone'],
  [{ at: '07:00', timeZone: 'UTC', calendar: 'us' }, 'is that of the calendar'],
])('%j is refused: %s', (due, message) => {
  const parsed = expectationDocumentSchema.safeParse({
    kind: 'expectation',
    tenant: 'acme',
    name: 'orders',
    match: '**',
    due,
  });
  expect(JSON.stringify(parsed.error?.issues)).toContain(message);
});
