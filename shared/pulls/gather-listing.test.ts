import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SourceDocument, sourceDocumentSchema } from '#shared/definitions/source-schema.ts';
import type { RemoteEntry } from '#shared/remotes/remote-connection.ts';
import { addPassedOver, type Gathered, gatherListing } from './gather-listing.ts';

/** Some hundred short names in the first share. */
const LIMITS = { mostHeldCharacters: 12_500, mostShares: 64 };

const source = (fields: object = {}): SourceDocument =>
  sourceDocumentSchema.parse({
    ...{ kind: 'source', tenant: 'acme', name: 'in', remote: 'bank', directory: '/in/', project: 'P' },
    ...fields,
  });

const fileNamed = (name: string, facts: Partial<RemoteEntry> = {}): RemoteEntry => ({
  ...{ name, kind: 'file', sizeBytes: 5, modifiedAt: '2026-01-02T03:04:05Z', ...facts },
});

async function gatherAll(of: SourceDocument, entries: readonly RemoteEntry[], salt = 0): Promise<Gathered[]> {
  const gathered: Gathered[] = [];
  for (let share = 0, shares = 1; share < shares; share += 1) {
    const next = await gatherListing(of, inTurn(entries), { salt, share, shares }, LIMITS);
    ({ shares } = next);
    gathered.push(next);
  }
  return gathered;
}

async function* inTurn(entries: readonly RemoteEntry[]): AsyncIterable<RemoteEntry> {
  yield* entries;
}

const namesOf = (gathered: readonly Gathered[]): string[] =>
  gathered.flatMap(({ files }) => files.map(({ name }) => name));

test('a short listing is gathered at once, in the order of the server', async () => {
  const gathered = await gatherAll(source(), [fileNamed('b.csv'), fileNamed('a.csv')]);
  expect(gathered).toHaveLength(1);
  expect(namesOf(gathered)).toEqual(['b.csv', 'a.csv']);
});

test('of a directory of any size each name is gathered once, in shares of which none holds too many', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom('a', 'b', '0', '1', '_') }), {
        maxLength: 1_200,
      }),
      fc.nat(),
      async (names, salt) => {
        const gathered = await gatherAll(
          source({ match: '*' }),
          names.map((name) => fileNamed(name)),
          salt,
        );
        expect(namesOf(gathered).toSorted()).toEqual(names.toSorted());
        for (const { files } of gathered) expect(files.length).toBeLessThanOrEqual(206);
      },
    ),
    { numRuns: 60 },
  );
});

test('files and their markers are of one share, wherever in the listing they are', async () => {
  const names = Array.from({ length: 900 }, (_, index) => `${index}.csv`);
  const entries = [
    ...names.filter((_, index) => index % 3 === 0).map((name) => fileNamed(`${name}.done`)),
    ...names.map((name) => fileNamed(name)),
    ...names.filter((_, index) => index % 3 === 1).map((name) => fileNamed(`${name}.done`)),
  ];
  const gathered = await gatherAll(source({ ready: { marker: '.done' } }), entries);
  expect(gathered.length).toBeGreaterThan(4);
  const ready = gathered.flatMap(({ files, isReady }) =>
    files.filter(({ name }) => isReady(name)).map(({ name }) => name),
  );
  expect(ready.toSorted()).toEqual(names.filter((_, index) => index % 3 < 2).toSorted());
});

test('what is passed over is counted once, over all shares', async () => {
  const entries = Array.from({ length: 900 }, (_, index) => [
    fileNamed(`${index}.csv`),
    fileNamed(`${index}.csv`, { sizeBytes: 6 }),
    fileNamed(`${index}.csv`),
    fileNamed(`\u202e${index}.csv`),
    fileNamed(`${index}.bin`, { sizeBytes: -1 }),
    { ...fileNamed(`line ${index}`), kind: 'unread' as const },
  ]).flat();
  const gathered = await gatherAll(source(), entries);
  expect(gathered.length).toBeGreaterThan(4);
  expect(gathered.map((each) => each.passedOver).reduce(addPassedOver, undefined)?.count).toBe(4 * 900);
  expect(namesOf(gathered)).toHaveLength(900);
});

test.each([
  ['a listing without end', 0, 1, 100_000],
  ['a directory that grew while it was listed', 1, 2, 1_000],
])('%s is refused once all is held that may be', async (_name, share, shares, count) => {
  let shown = 0;
  async function* names(): AsyncIterable<RemoteEntry> {
    for (; shown < count; shown += 1) yield fileNamed(`${shown}.csv`);
  }
  await expect(gatherListing(source(), names(), { salt: 0, share, shares }, LIMITS)).rejects.toMatchObject({
    code: 'REMOTE_PROTOCOL',
  });
  expect(shown).toBeLessThan(count);
});
