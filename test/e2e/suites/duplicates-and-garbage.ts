/** What queues do to a fleet: the same message many times, in any order, messages that nobody can read, and rows without a message. */
import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { knownFiles, makeFiles, type TestFile } from '#testkit/seeds/known-files.ts';
import { landingEvent, type PlacedObject } from '#testkit/seeds/landing-event.ts';
import { sendBodies } from '#testkit/seeds/send-bodies.ts';

const TENANT = 'acme';
export const DUPLICATE_ROUTES = `
kind: route
tenant: ${TENANT}
name: copies
match: { path: "**", exclude: "twice/**" }
steps: [{ deliver: {} }, { confirm: }]
---
kind: route
tenant: ${TENANT}
name: first-of-two
match: { path: "twice/**" }
steps: [{ deliver: { key: "{{ tenant }}/first/{{ name }}" } }]
---
kind: route
tenant: ${TENANT}
name: second-of-two
match: { path: "twice/**" }
steps: [{ stage: }, { deliver: { bucket: outbound, key: "{{ tenant }}/second/{{ name }}" } }, { confirm: }]
`;

export function duplicatesAndGarbage(running: () => TestFleet): void {
  let fleet: TestFleet;
  const sent: TestFile[] = [];

  beforeAll(() => {
    fleet = running();
  });

  function putAll(files: readonly TestFile[]): Promise<PlacedObject[]> {
    sent.push(...files);
    return Promise.all(
      files.map(async ({ path, body }) => {
        const key = `${TENANT}/${path}`;
        return { bucket: fleet.bucket('landing'), key, versionId: await fleet.put(key, body), body };
      }),
    );
  }

  const checkAll = () => checkGuarantees(fleet, { known: knownFiles(TENANT, sent) });

  async function jobsPerFile(prefix: string): Promise<number[]> {
    const rows = await fleet.sql<{ jobs: number }[]>`
    SELECT (SELECT count(*)::int FROM jobs j WHERE j.file_id = f.id) AS jobs FROM files f
    WHERE key LIKE ${`${TENANT}/${prefix}/%`}`;
    return rows.map(({ jobs }) => jobs);
  }

  test('an event that comes five times more, shuffled and side by side, makes one job, one effect and one notice', async () => {
    const placed = await putAll(makeFiles(20, 'again', 'file'));
    const bodies = placed.flatMap((object) => Array.from({ length: 5 }, () => JSON.stringify(landingEvent(object))));
    const shuffled = bodies.map((body) => ({ body, place: Math.random() })).sort((a, b) => a.place - b.place);
    const quarters = [0, 1, 2, 3].map((quarter) => shuffled.filter((_, index) => index % 4 === quarter));
    const send = (some: typeof shuffled) =>
      sendBodies(
        fleet.sqs,
        fleet.queueUrls.landing.main,
        some.map(({ body }) => body),
      );
    await Promise.all(quarters.map(send));
    await fleet.untilAllEnded(sent.length, 60_000, TENANT);
    // Once more, now that every file has ended and its object is in the archive.
    await send(shuffled);
    expect(await checkAll()).toEqual([]);
    expect(await jobsPerFile('again')).toEqual(Array(20).fill(1));
  });

  test('a file on two routes is delivered by both and archived once', async () => {
    await putAll(makeFiles(10, 'twice', 'file'));
    await fleet.untilAllEnded(sent.length, 60_000, TENANT);
    expect(await checkAll()).toEqual([]);
    expect(await jobsPerFile('twice')).toEqual(Array(10).fill(2));
    const archived = await fleet.store.listVersions({ bucket: fleet.bucket('archive') });
    const names = archived.items.filter(({ key }) => key.includes('/file-')).map(({ key }) => key);
    expect(names).toHaveLength(sent.length);
  });

  /** Each unreadable in its own way; none is readable for any queue. */
  const GARBAGE = [
    'not json',
    '{"type":"job.due"',
    'null',
    '[]',
    '"job.due"',
    '0',
    '{}',
    '{"type":"no.such.message","v":1}',
    '{"type":"job.due","v":99,"jobId":"01a1fb20-2bd2-7dce-9bad-cce7ca969ed2","tenantId":"acme","wake":1}',
    '{"type":"job.due","v":1,"jobId":"not an id","tenantId":"acme","wake":1}',
    '{"type":"file.settled","v":1,"fileId":12,"wake":"1"}',
    '{"__proto__":{"type":"job.due"},"constructor":{"prototype":{}}}',
    '{"source":"aws.s3","detail-type":"Object Created","detail":{"object":null}}',
    `${'['.repeat(50_000)}`,
    `{"type":"job.due","v":1,"padding":"${'x'.repeat(200_000)}"}`,
  ];

  test('garbage in every queue is set aside after three receives, and 50 good files between it complete', async () => {
    const good = makeFiles(50, 'good', 'file');
    await putAll(good.slice(0, 25));
    await Promise.all(QUEUE_IDS.map((id) => sendBodies(fleet.sqs, fleet.queueUrls[id].main, GARBAGE)));
    await putAll(good.slice(25));

    await fleet.untilAllEnded(sent.length, 60_000, TENANT);
    await fleet.waitUntil(
      'all garbage is set aside',
      async () => {
        const [row] = await fleet.sql<{ count: number }[]>`SELECT count(*)::int FROM dead_letters`;
        return row?.count === GARBAGE.length * QUEUE_IDS.length;
      },
      60_000,
    );
    expect(await checkAll()).toEqual([]);
    const letters = await fleet.sql<{ queue: string; body: string; receives: number; state: string; reason: string }[]>`
    SELECT queue, body, receive_count AS receives, state, reason FROM dead_letters`;
    for (const id of QUEUE_IDS) {
      const bodies = letters.filter(({ queue }) => queue === id).map(({ body }) => body);
      expect(bodies.sort(), id).toEqual([...GARBAGE].sort());
    }
    expect(
      letters.filter(({ receives, state, reason }) => receives < 3 || state !== 'PARKED' || reason === ''),
    ).toEqual([]);
  });

  test('rows put in by hand run: a file that waits for its routes, and a job that waits for a worker', async () => {
    // Names that wait for their rename are registered by nobody, so these rows are ours alone.
    const byHand = makeFiles(2, 'by-hand', 'file').map((file) => ({ ...file, path: `${file.path}.tmp` }));
    const [queued, routed] = await putAll(byHand);
    const columns = ({ bucket, key, versionId, body }: PlacedObject) => ({
      id: randomUUID(),
      tenant_id: TENANT,
      bucket,
      key,
      version_id: versionId,
      name: key.split('/').at(-1)!,
      size_bytes: body.length,
      etag: landingEvent({ bucket, key, versionId, body }).detail.object.etag,
      source: 's3',
      uploaded_at: new Date(),
      order_key: `${TENANT}/by-hand`,
    });
    const first = { ...columns(queued!), status: 'QUEUED' };
    await fleet.sql`INSERT INTO files ${fleet.sql(first)}`;
    const second = {
      ...columns(routed!),
      status: 'PROCESSING',
      routed_at: new Date(),
      job_count: 1,
      open_jobs: 1,
    };
    await fleet.sql`
    WITH file AS (INSERT INTO files ${fleet.sql(second)} RETURNING id, tenant_id)
    INSERT INTO jobs (id, tenant_id, file_id, route_id, route_version_id, state, step_kind, step_count, max_attempts, queue)
    SELECT ${randomUUID()}::uuid, file.tenant_id, file.id, r.id, v.id, 'PENDING', 'deliver', 2, 3, 'partner-steps'
    FROM file, routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
    WHERE r.name = 'copies'`;
    await fleet.untilAllEnded(sent.length, 60_000, TENANT);
    expect(await checkAll()).toEqual([]);
    const rows = await fleet.sql`SELECT status FROM files WHERE key LIKE ${`${TENANT}/by-hand/%`}`;
    expect([...rows]).toEqual([{ status: 'COMPLETED' }, { status: 'COMPLETED' }]);
  });
}
