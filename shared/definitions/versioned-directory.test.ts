import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { createVersionedDirectory, type DefinitionRow, type VersionedDirectory } from './versioned-directory.ts';

let stored: DefinitionRow | undefined;
let isAway: boolean;
let asked: (number | null)[];
let retired: string[];
let clock: number;
let directory: VersionedDirectory<string>;

beforeEach(() => {
  [stored, isAway, asked, retired, clock] = [{ version: 1, definition: 'one' }, false, [], [], 1_000];
  directory = createVersionedDirectory({
    kind: 'partner',
    schema: z.string(),
    look: async (_tenantId, _name, knownVersion) => {
      asked.push(knownVersion);
      await Promise.resolve();
      if (isAway) throw new Error('the database is away');
      return stored && { ...stored, definition: stored.version === knownVersion ? null : stored.definition };
    },
    open: (document, tenantId) => `${tenantId}:${document}`,
    retire: (opened) => retired.push(opened),
    logger: pino({ level: 'silent' }),
    now: () => clock,
  });
});

const find = () => directory.find('acme', 'p');
const ONE = { ok: true, opened: 'acme:one' };

test('looks once for those who ask together, and again after a while; what did not change is not opened again', async () => {
  expect(await Promise.all([find(), find()])).toEqual([ONE, ONE]);
  clock += 14_999;
  await find();
  expect(asked).toEqual([null]);
  clock += 2;
  expect(await find()).toEqual(ONE);
  expect(asked).toEqual([null, 1]);
  expect(retired).toEqual([]);
});

test('looks again at once for a person who has just applied a definition', async () => {
  await find();
  stored = { version: 2, definition: 'two' };
  expect(await find()).toEqual(ONE);
  expect(await directory.find('acme', 'p', { isFresh: true })).toEqual({ ok: true, opened: 'acme:two' });
  expect(await find()).toEqual({ ok: true, opened: 'acme:two' });
  expect(asked).toEqual([null, 1]);
});

test('retires what was replaced once, and what was taken away', async () => {
  await find();
  stored = { version: 2, definition: 'two' };
  clock += 15_001;
  expect(await find()).toEqual({ ok: true, opened: 'acme:two' });
  expect(retired).toEqual(['acme:one']);
  stored = undefined;
  clock += 15_001;
  expect(await find()).toEqual({ ok: false, reason: 'absent' });
  expect(retired).toEqual(['acme:one', 'acme:two']);
  stored = { version: 3, definition: 3 };
  clock += 15_001;
  expect(await find()).toEqual({ ok: false, reason: 'unusable' });
});

test('keeps what is known while the database is away, and asks it no more often for that', async () => {
  await find();
  isAway = true;
  clock += 15_001;
  expect(await Promise.all([find(), find()])).toEqual([ONE, ONE]);
  expect(await find()).toEqual(ONE);
  expect(asked).toEqual([null, 1]);
  await expect(directory.find('acme', 'other')).rejects.toThrow('away');
  isAway = false;
  expect((await directory.find('acme', 'other')).ok).toBe(true);
});

test('lists what is known, also while it is looked at again', async () => {
  await find();
  clock += 15_001;
  const looking = find();
  expect(directory.known()).toMatchObject([{ tenantId: 'acme', name: 'p', version: 1 }]);
  await looking;
});
