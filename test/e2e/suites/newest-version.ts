/** Of several versions of one key the newest stays at the destination, in whatever order events, jobs and workers carry them. */
import { beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';

const TENANT = 'renewed';
export const VERSION_ROUTES = `
kind: route
tenant: ${TENANT}
name: versions
match: { path: "**" }
steps: [{ deliver: {} }, { confirm: }]
`;
const KEYS = 8;
const VERSIONS = 20;

export function newestVersion(running: () => TestFleet): void {
  let fleet: TestFleet;
  beforeAll(() => {
    fleet = running();
  });

  async function delivered(key: string): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of fleet.store.readStream({ bucket: fleet.bucket('delivered'), key })) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  test('the last of twenty versions of a key, put as fast as the store takes them, is what stays', async () => {
    const keys = Array.from({ length: KEYS }, (_, index) => `${TENANT}/in/prices-${index}.csv`);
    await Promise.all(
      keys.map(async (key) => {
        for (let version = 1; version <= VERSIONS; version += 1)
          await fleet.put(key, Buffer.from(`${key} v${version}`));
      }),
    );
    await fleet.untilAllEnded(KEYS * VERSIONS, 120_000, TENANT);
    const states =
      await fleet.sql`SELECT state, count(*)::int AS jobs FROM jobs WHERE tenant_id = ${TENANT} GROUP BY state`;
    expect([...states]).toEqual([{ state: 'SUCCEEDED', jobs: KEYS * VERSIONS }]);
    for (const key of keys) expect(await delivered(key)).toBe(`${key} v${VERSIONS}`);
    expect(await checkGuarantees(fleet, { known: new Map() })).toEqual([]);
  });

  test('a version whose event comes late is not written over a newer one, and its job says so', async () => {
    const key = `${TENANT}/late/order.csv`;
    const older = await fleet.put(key, Buffer.from('old'));
    await fleet.put(key, Buffer.from('new'));
    await fleet.untilAllEnded(KEYS * VERSIONS + 2, 60_000, TENANT);
    await fleet.sql`UPDATE files SET uploaded_at = uploaded_at - interval '1 hour' WHERE key = ${key} AND version_id = ${older}`;
    const [job] =
      await fleet.sql`SELECT j.id FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.version_id = ${older}`;
    await fleet.sql`UPDATE files SET status = 'PROCESSING', open_jobs = 1, finished_at = NULL WHERE version_id = ${older}`;
    await fleet.sql`UPDATE jobs SET state = 'PENDING', step_seq = 0, step_kind = 'deliver', finished_at = NULL, woken_at = NULL WHERE id = ${job?.id}`;
    await fleet.untilAllEnded(KEYS * VERSIONS + 2, 60_000, TENANT);
    expect(await delivered(key)).toBe('new');
    const [step] =
      await fleet.sql`SELECT output ? 'supersededBy' AS superseded FROM job_steps WHERE job_id = ${job?.id} AND kind = 'deliver'`;
    expect(step?.superseded).toBe(true);
  });
}
