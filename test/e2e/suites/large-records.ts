/** Who does what on a record route: a large file is parsed by the large-file-worker, a small one by the other, which makes every call. */
import { beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { recordsOf, untilFileEnded } from '#testkit/seeds/record-files.ts';

export const SIZED = 'sized';
const TENANT = SIZED;
export const sizedDefinitions = (partnerUrl: string) =>
  definitions(
    testPartner({ tenant: TENANT, name: 'desk', baseUrl: partnerUrl }),
    testRoute({ tenant: TENANT, name: 'sized', partner: 'desk' }),
  );
const ENDED_MS = 60_000;

export function largeRecords(running: () => TestFleet, largeBytes: number): void {
  let fleet: TestFleet;

  beforeAll(() => {
    fleet = running();
  });

  /** Rows until the file has exactly so many bytes. */
  function csvOf(prefix: string, sizeBytes: number): Buffer {
    const rows: [string, string][] = [];
    while (recordsCsv([...rows, [`${prefix}-${rows.length}`, '']]).length <= sizeBytes - 20) {
      rows.push([`${prefix}-${rows.length}`, '']);
    }
    const missing = sizeBytes - recordsCsv([...rows, [`${prefix}-end`, '']]).length;
    const csv = Buffer.from(recordsCsv([...rows, [`${prefix}-end${'d'.repeat(missing)}`, '']]));
    expect(csv).toHaveLength(sizeBytes);
    return csv;
  }

  async function servicesOf(key: string) {
    const steps = await fleet.sql<{ kind: string; service: string }[]>`
    SELECT DISTINCT a.step_kind AS kind, split_part(a.worker, '/', 1) AS service
    FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN files f ON f.id = j.file_id WHERE f.key = ${key} ORDER BY 1`;
    const calls = await fleet.sql<{ service: string }[]>`
    SELECT DISTINCT split_part(a.worker, '/', 1) AS service
    FROM record_attempts a JOIN jobs j ON j.id = a.job_id JOIN files f ON f.id = j.file_id WHERE f.key = ${key}`;
    return { steps: Object.fromEntries(steps.map(({ kind, service }) => [kind, service])), calls };
  }

  test.each([
    ['small', largeBytes, 'partner-worker'],
    ['large', largeBytes + 1, 'large-file-worker'],
  ])('a %s file of %i bytes is parsed by the %s', async (name, sizeBytes, parser) => {
    const key = `${TENANT}/sized/${name}.csv`;
    const csv = csvOf(name, sizeBytes);
    await fleet.put(key, csv);
    await untilFileEnded(fleet, key, ENDED_MS);
    const records = await recordsOf(fleet, key);
    expect(records).toHaveLength(csv.toString().trimEnd().split('\n').length - 1);
    expect(new Set(records.map(({ state }) => state))).toEqual(new Set(['SUCCESS']));
    const { steps, calls } = await servicesOf(key);
    expect(steps.parse).toBe(parser);
    expect(calls).toEqual([{ service: 'partner-worker' }]);
  });

  test('and nothing was lost or done twice', async () => {
    await fleet.untilAllEnded(2, ENDED_MS, TENANT);
    expect(await checkGuarantees(fleet)).toEqual([]);
  });
}
