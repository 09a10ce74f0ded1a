import { expect, test } from 'vitest';
import { FILE_STATUSES, JOB_STATES } from '#shared/db/schema.ts';
import { STATES_TO_FIND, stepWordOf, wordOf } from './words.ts';

test('every state of a file has a word of the portal', () => {
  const words = ['received', 'being checked', 'delivered', 'needs you', 'not accepted'];
  expect(FILE_STATUSES.map(wordOf).filter((word) => !words.includes(word))).toEqual([]);
});

test('files are looked for by each word, and each state has one', () => {
  expect(STATES_TO_FIND).toEqual({
    received: 'uploaded,queued',
    'being checked': 'processing',
    delivered: 'completed',
    'needs you': 'failed',
    'not accepted': 'quarantined',
  });
});

test('no step is said in the words of the database', () => {
  const said = JOB_STATES.map((state) => stepWordOf({ state, wait_reason: null }));
  expect(said.filter((word) => /pending|running|waiting|succeeded/i.test(word))).toEqual([]);
  expect(new Set(said).size).toBe(JOB_STATES.length);
});

test('a step that waits for others says for what', () => {
  expect(stepWordOf({ state: 'WAITING', wait_reason: 'HELD' })).toBe('waits until a person has looked at it');
  expect(stepWordOf({ state: 'WAITING', wait_reason: 'breaker-open' })).toBe('in progress, and continues on its own');
  // Of the wait before.
  expect(stepWordOf({ state: 'SUCCEEDED', wait_reason: 'HELD' })).toBe('done');
});
