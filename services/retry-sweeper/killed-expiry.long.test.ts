/** Sweepers that delete expired files while they are killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type ExpiryBed, startExpiryBed } from '#testkit/beds/expiry-bed.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

let expiry: ExpiryBed;
let bed: ExpiryBed['bed'];
beforeAll(async () => {
  expiry = await startExpiryBed();
  ({ bed } = expiry);
  await expiry.clear();
});
afterAll(() => bed.stop());

test('sweepers that are killed in the middle leave no object without a row that names it, and no row without a certificate', async () => {
  const { sql } = bed;
  const FILES = 300;
  await expiry.seedExpired(FILES);
  const [youngKey, overwritten] = ['acme/young', 'acme/overwritten'];
  const kept = [await expiry.put(expiry.archive, youngKey), await expiry.put(expiry.archive, overwritten)];
  await expiry.dateAll();
  const start = () =>
    startProcess([MAIN], {
      env: {
        ...process.env,
        ...bed.env,
        ...{ AWS_REGION: 'us-east-1', DATABASE_URL: bed.database.DATABASE_URL, LONGSHORE_PREFIX: expiry.prefix },
        ...{ LONGSHORE_S3_PATH_STYLE: 'true', LONGSHORE_HTTP_PORT: '0', LONGSHORE_HTTP_HOST: '127.0.0.1' },
        // Fewer at once than there are, so that there is a middle.
        ...{ LONGSHORE_EXPIRY_MS: '100', LONGSHORE_EXPIRY_FILES_PER_SECOND: '100' },
      },
    });
  const stateNow = async () => {
    const [row] = await sql<{ files: number; listed: number }[]>`
      SELECT (SELECT count(*)::int FROM files) AS files, (SELECT count(*)::int FROM expired_objects) AS listed`;
    return row ?? { files: 0, listed: 0 };
  };
  let sweeper: TestProcess = start();
  try {
    for (let kill = 0; kill < 3; kill += 1) {
      const before = await stateNow();
      await vi.waitFor(async () => expect(await stateNow()).not.toEqual(before), { timeout: 60_000, interval: 5 });
      await sleep(kill * 3);
      await sweeper.end('SIGKILL');
      const { files, listed } = await stateNow();
      const there =
        (await expiry.versionsIn(expiry.archive)).length +
        (await expiry.versionsIn(expiry.delivered)).length -
        kept.length;
      // Each object is named by its file, or is on the list.
      expect(there).toBeLessThanOrEqual(files * 2 + listed);
      await sql`UPDATE expired_objects SET next_action_at = now()`;
      if (files + listed === 0) break;
      sweeper = start();
    }
    await vi.waitFor(
      async () => {
        // The lease of one that was killed ends after minutes.
        await sql`UPDATE expired_objects SET next_action_at = now() WHERE next_action_at > now() + interval '4 minutes'`;
        expect(await stateNow()).toEqual({ files: 0, listed: 0 });
      },
      { timeout: 180_000, interval: 100 },
    );
  } finally {
    await sweeper.end('SIGKILL');
  }
  expect((await expiry.versionsIn(expiry.archive)).sort()).toEqual(kept.sort());
  expect(await expiry.versionsIn(expiry.delivered)).toEqual([]);
  const [sum] = await sql`
    SELECT sum(files)::int AS files, sum(objects)::int AS objects, sum(objects_left)::int AS left, count(*) FILTER (WHERE completed_at IS NULL)::int AS open
    FROM deletion_certificates`;
  expect(sum).toEqual({ files: FILES, objects: FILES * 2, left: 0, open: 0 });
}, 360_000);
