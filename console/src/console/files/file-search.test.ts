import { expect, test } from 'vitest';
import { ageMs, toCommand, toQuery, toScope } from './file-search.ts';

const NOW = Date.parse('2026-01-31T12:00:00Z');

test('an age becomes an instant, and what is not an age is left to the API to refuse', () => {
  expect(toQuery({ since: '24h', status: 'failed' }, NOW)).toMatchObject({
    from: '2026-01-30T12:00:00.000Z',
    status: 'failed',
  });
  expect(toQuery({ since: 'yesterday' }, NOW).from).toBe('yesterday');
  expect([ageMs('30m'), ageMs('7 d'), ageMs('h'), ageMs('')]).toEqual([1_800_000, 604_800_000, undefined, undefined]);
});

test('everything that matches keeps each filter, in the words of the verb', () => {
  expect(toScope({ status: 'failed', code: 'X', route: 'orders', since: '1h' }, 'retry', NOW)).toEqual({
    filter: {
      since: '2026-01-31T11:00:00.000Z',
      code: 'X',
      route: 'orders',
      state: ['FAILED', 'CANCELLED'],
    },
  });
  expect(toScope({ status: 'quarantined', name: 'a*' }, 'reroute', NOW)).toEqual({
    filter: { status: ['quarantined'], name: 'a*' },
  });
});

test('a filter that the verb cannot take refuses the scope, as no filter at all does', () => {
  for (const [search, verb] of [
    [{}, 'retry'],
    [{ columns: 'name' }, 'retry'],
    [{ status: 'failed', path: 'acme/' }, 'retry'],
    [{ status: 'failed', partner: 'p' }, 'reroute'],
    [{ status: 'quarantined' }, 'retry'],
  ] as const)
    expect([search, toScope(search, verb, NOW)]).toEqual([search, { refusal: expect.any(String) }]);
});

test('the command has the same filters', () => {
  expect(toCommand({ status: 'failed', finished_from: '1h', columns: 'name' })).toEqual([
    'files',
    '--status',
    'failed',
    '--finished-since',
    '1h',
  ]);
});
