import { randomUUIDv7 } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { effectSeed, makeJobId } from './job-id.ts';

test('a job that is made again has another id, which begins with its time, and the same seed', () => {
  const of = ['longshore-landing', 'acme/in/a.csv', 'v1', 'route'];
  const [first, again] = [makeJobId(of, 1_764_000_000_000), makeJobId(of, 1_764_000_060_000)];
  expect(first < again).toBe(true);
  expect(effectSeed(first)).toBe(effectSeed(again));
  expect(z.uuid().parse(first)).toBe(first);
});

test('jobs of other versions or routes have other seeds', () => {
  const of = (versionId: string, route: string) => makeJobId(['landing', 'acme/in/a.csv', versionId, route]);
  const seeds = [of('v1', 'r1'), of('v2', 'r1'), of('v1', 'r2')].map(effectSeed);
  expect(new Set(seeds).size).toBe(3);
});

test('the seed of an id that an earlier version gave is all of it', () => {
  const id = randomUUIDv7();
  expect(effectSeed(id)).toBe(id);
  expect(effectSeed(makeJobId(undefined))).toHaveLength(36);
});
