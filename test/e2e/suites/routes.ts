/** What operators do with routes: change them, get them wrong, retry what failed, redrive what was parked; and who does large files. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import type { KnownFile } from '#testkit/checks/find-bucket-violations.ts';
import { knownFiles, makeFile, type TestFile } from '#testkit/seeds/known-files.ts';
import { sendBodies } from '#testkit/seeds/send-bodies.ts';
import { runLongshore } from '#testkit/servers/run-longshore.ts';

const TENANT = 'acme';

const versioned = (key: string) => `
kind: route
tenant: ${TENANT}
name: versioned
match: { path: "versioned/**" }
steps: [{ deliver: { key: "{{ tenant }}/${key}/{{ name }}" } }, { confirm: }]
`;
export const OPERATED_ROUTES = `${versioned('first')}---
kind: route
tenant: ${TENANT}
name: sized
match: { path: "sized/**" }
steps: [{ validate: { minSize: 100 } }, { deliver: {} }]
---
kind: route
tenant: ${TENANT}
name: checked
match: { path: "checked/**" }
steps: [{ validate: { checksumSidecar: { waitUpTo: 0s } } }, { deliver: {} }, { confirm: }]
---
kind: route
tenant: ${TENANT}
name: large
match: { path: "large/**" }
steps: [{ deliver: {} }]
`;

export function operatedRoutes(running: () => TestFleet, largeBytes: number): void {
  let fleet: TestFleet;
  let sentCount = 0;
  const known = new Map<string, KnownFile>();

  beforeAll(() => {
    fleet = running();
  });

  /** Puts a file and waits for its end. */
  async function carry(file: TestFile): Promise<void> {
    sentCount += 1;
    for (const [key, each] of knownFiles(TENANT, [file])) known.set(key, each);
    await fleet.put(`${TENANT}/${file.path}`, file.body);
    await fleet.untilAllEnded(sentCount, 60_000, TENANT);
  }

  const checkAll = () => checkGuarantees(fleet, { known });
  const longshore = (args: readonly string[], input?: string) => runLongshore(fleet.home, args, input);

  interface JobRow {
    readonly id: string;
    readonly state: string;
    readonly generation: number;
    readonly errorCode: string | null;
    readonly errorCause: string | null;
    readonly version: number;
    readonly processedBy: string;
  }

  async function jobOf(path: string): Promise<JobRow> {
    const [job] = await fleet.sql<JobRow[]>`
    SELECT j.id, j.state, j.generation, j.error_code AS "errorCode", j.error_cause AS "errorCause", v.version,
      j.processed_by AS "processedBy"
    FROM jobs j JOIN files f ON f.id = j.file_id JOIN route_versions v ON v.id = j.route_version_id
    WHERE f.key = ${`${TENANT}/${path}`}`;
    if (job === undefined) throw new Error(`${path} has no job`);
    return job;
  }

  test('a new version of a route takes the next file and changes nothing for those that were routed', async () => {
    const [before, after] = [makeFile('versioned/before.csv', 700), makeFile('versioned/after.csv', 800)];
    await carry(before);
    const applied = await longshore(['apply', '-f', '-'], versioned('second'));
    expect(applied).toMatchObject({ code: 0, out: expect.stringMatching(/versioned +2 +changed/) });
    await sendBodies(fleet.sqs, fleet.queueUrls.ingest.main, [await settledAgain(before.path)]);
    await carry(after);

    expect([(await jobOf(before.path)).version, (await jobOf(after.path)).version]).toEqual([1, 2]);
    const delivered = await fleet.store.listVersions({ bucket: fleet.bucket('delivered'), prefix: `${TENANT}/` });
    const keys = delivered.items.map(({ key }) => key).filter((key) => /before|after/.test(key));
    expect(keys).toEqual([`${TENANT}/first/before.csv`, `${TENANT}/second/after.csv`]);
    expect(await checkAll()).toEqual([]);
  });

  /** The wake-up that a file had when it was settled, once more. */
  async function settledAgain(path: string): Promise<string> {
    const [file] = await fleet.sql`SELECT id FROM files WHERE key = ${`${TENANT}/${path}`}`;
    return JSON.stringify({ type: 'file.settled', v: 1, fileId: file?.id, wake: 1 });
  }

  /** One fault each, and what has to be reported of it. */
  const FAULTS: readonly (readonly [yaml: string, fault: RegExp])[] = [
    ['kind: ship\nid: x', /kind must be tenant, route/],
    ['kind: tenant\nid: Not An Id\nname: X', /lower-case/],
    ['kind: tenant\nid: zoned\nname: X\ntimeZone: Mars/Base', /IANA time zone/],
    ['kind: route\ntenant: acme\nname: no-steps\nmatch: { path: "*" }\nsteps: []', /steps/],
    ['kind: route\ntenant: acme\nname: no-match\nsteps: [{ deliver: }]', /match/],
    ['kind: route\ntenant: acme\nname: bad-glob\nmatch: { path: "[a-" }\nsteps: [{ deliver: }]', /match\.path/],
    [
      'kind: route\ntenant: acme\nname: kinds\nmatch: { path: "*" }\nsteps: [{ teleport: }]',
      /unknown step kind "teleport"/,
    ],
    ['kind: route\ntenant: acme\nname: two\nmatch: { path: "*" }\nsteps: [{ stage: , deliver: }]', /exactly one key/],
    [
      'kind: route\ntenant: acme\nname: early\nmatch: { path: "*" }\nsteps: [{ confirm: }, { deliver: }]',
      /confirm needs a deliver/,
    ],
    ['kind: route\ntenant: acme\nname: typo\nmatch: { path: "*", exclud: "x" }\nsteps: [{ deliver: }]', /exclud/],
    [
      'kind: route\ntenant: acme\nname: sizes\nmatch: { path: "*", minSize: 2MB, maxSize: 1MB }\nsteps: [{ deliver: }]',
      /minSize is greater/,
    ],
    [
      'kind: route\ntenant: acme\nname: away\nmatch: { path: "*" }\nsteps: [{ deliver: { key: "other/{{ name }}" } }]',
      /begin it with/,
    ],
    [
      'kind: route\ntenant: acme\nname: template\nmatch: { path: "*" }\nsteps: [{ deliver: { key: "{{ tenant }}/{{ nmae }}" } }]',
      /nmae/,
    ],
    [
      'kind: route\ntenant: acme\nname: pattern\nmatch: { path: "*" }\nsteps: [{ validate: { namePattern: "(" } }]',
      /namePattern/,
    ],
    [
      'kind: route\ntenant: acme\nname: retries\nmatch: { path: "*" }\nretry: { maxAttempts: 0 }\nsteps: [{ deliver: }]',
      /retry\.maxAttempts/,
    ],
    [
      'kind: route\ntenant: acme\nname: twice\nname: twice\nmatch: { path: "*" }\nsteps: [{ deliver: }]',
      /YAML_SYNTAX the key name is there twice/,
    ],
    ['kind: route\nname: [unclosed', /YAML_SYNTAX/],
  ];

  test('the command line tells the place of every kind of fault, all at once, and applies nothing', async () => {
    const before = await fleet.sql`SELECT count(*)::int FROM routes`;
    const directory = await mkdtemp(join(tmpdir(), 'longshore-faults-'));
    try {
      const name = (index: number) => `fault-${String(index).padStart(2, '0')}.yaml`;
      await Promise.all(FAULTS.map(([yaml], index) => writeFile(join(directory, name(index)), yaml)));
      const { code, out, err } = await longshore(['apply', '-f', directory]);
      expect({ code, out }).toEqual({ code: 3, out: '' });
      for (const [index, [yaml, fault]] of FAULTS.entries()) {
        const lines = err.split('\n').filter((line) => line.includes(name(index)));
        expect(lines.join('\n'), yaml).toMatch(fault);
        expect(lines.join('\n'), yaml).toMatch(/fault-\d+\.yaml:\d+:\d+ (ROUTE_INVALID|YAML_SYNTAX) /);
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
    // Whether a tenant exists is asked once all files can be read.
    const orphan = `${versioned('third')}---\nkind: route\ntenant: nobody\nname: x\nmatch: { path: "*" }\nsteps: [{ deliver: }]`;
    const refused = await longshore(['apply', '-f', '-'], orphan);
    expect(refused).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^\(stdin\):\d+:9 .*tenant nobody does not exist/m),
    });
    expect([...(await fleet.sql`SELECT count(*)::int FROM routes`)]).toEqual([...before]);
  });

  test('a file that does not pass its validation fails with the code of that step and what to do', async () => {
    const file = makeFile('sized/too-small.csv', 99);
    await carry(file);
    expect(await jobOf(file.path)).toMatchObject({
      state: 'FAILED',
      errorCode: 'VALIDATION_ERROR',
      errorCause: 'FILE_TOO_SMALL',
    });
    const { body } = await fleet.api(`/status?file_id=${file.path}`, { tenant: TENANT });
    expect(body).toMatchObject({ status: 'failed', error_message: expect.stringContaining('99 bytes') });
    expect(await checkAll()).toEqual([]);
  });

  test('a job that was retried by a person after its cause was mended succeeds as the next generation', async () => {
    const file = makeFile('checked/orders.csv', 2_000);
    await carry(file);
    const failed = await jobOf(file.path);
    expect(failed).toMatchObject({ state: 'FAILED', generation: 1, errorCause: 'CHECKSUM_SIDECAR_MISSING' });

    const sidecar = `${createHash('sha256').update(file.body).digest('hex')}  orders.csv\n`;
    await fleet.put(`${TENANT}/${file.path}.sha256`, sidecar);
    sentCount += 1;
    const retried = await longshore(['retry', failed.id, '--reason', 'the checksum has come']);
    expect(retried).toMatchObject({ code: 0, err: expect.stringContaining('Generation 2') });
    await fleet.waitUntil(
      'the retried job has ended',
      async () => (await jobOf(file.path)).state === 'SUCCEEDED',
      60_000,
    );
    await fleet.untilAllEnded(sentCount, 60_000, TENANT);
    expect(await jobOf(file.path)).toMatchObject({ state: 'SUCCEEDED', generation: 2 });
    const [reopened] =
      await fleet.sql`SELECT detail FROM audit_events WHERE job_id = ${failed.id} AND type = 'job.reopened'`;
    expect(reopened?.detail).toMatchObject({ reason: 'the checksum has come' });
    expect(await checkAll()).toEqual([]);
  });

  test('a parked letter is counted, refused as long as nobody can read it, and sent again when an operator insists', async () => {
    await sendBodies(fleet.sqs, fleet.queueUrls.landing.main, ['{"what":"is this"}']);
    const parked = () => fleet.sql<{ id: string }[]>`SELECT id FROM dead_letters WHERE state = 'PARKED'`;
    await fleet.waitUntil('the letter is parked', async () => (await parked()).length === 1, 60_000);
    const [letter] = await parked();

    const counted = await longshore(['redrive', '--queue', 'landing']);
    expect(counted).toMatchObject({ code: 0, out: expect.stringMatching(/landing +1/) });
    const refused = await longshore(['redrive', '--id', letter!.id, '--yes', '--reason', 'just try']);
    expect(refused.code).toBe(1);
    expect(await parked()).toHaveLength(1);
    const forced = await longshore(['redrive', '--id', letter!.id, '--yes', '--force', '--reason', 'I insist']);
    expect(forced).toMatchObject({ code: 0 });

    const again = await fleet.waitUntil(
      'it is given up again',
      async () => (await parked()).find(({ id }) => id !== letter!.id),
      60_000,
    );
    const [first] = await fleet.sql`SELECT state, note FROM dead_letters WHERE id = ${letter!.id}`;
    expect(first).toEqual({ state: 'REDRIVEN', note: 'I insist' });
    expect(again).toBeDefined();
    expect(await checkAll()).toEqual([]);
  }, 180_000);

  test('a file of exactly the threshold is done by the partner-worker, one byte more by the large-file-worker', async () => {
    const [small, large] = [makeFile('large/exactly.bin', largeBytes), makeFile('large/more.bin', largeBytes + 1)];
    await carry(small);
    await carry(large);
    expect([(await jobOf(small.path)).processedBy, (await jobOf(large.path)).processedBy]).toEqual([
      'partner-worker',
      'large-file-worker',
    ]);
    const { body } = await fleet.api(`/status?file_id=${large.path}`);
    expect(body).toMatchObject({ status: 'completed', processed_by: 'large-file-worker', file_size: largeBytes + 1 });
    expect(await checkAll()).toEqual([]);
  });
}
