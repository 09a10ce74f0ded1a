/** An ordered route on the whole fleet: the order of the uploads is that of the deliveries, and a failed file holds back its own directory alone. */
import { beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { runLongshore } from '#testkit/servers/run-longshore.ts';

const TENANT = 'in-order';
export const ORDERED_ROUTES = `
kind: route
tenant: ${TENANT}
name: sequence
match: { path: "sequence/**" }
ordered: true
steps: [{ validate: { minSize: 10 } }, { deliver: {} }]
---
kind: route
tenant: ${TENANT}
name: plain
match: { path: "plain/**" }
steps: [{ deliver: {} }]
`;

export function orderedFiles(running: () => TestFleet): void {
  let fleet: TestFleet;

  beforeAll(() => {
    fleet = running();
  });

  /** One after another in one session. */
  async function put(directory: string, names: readonly string[], body = 'a body of some length'): Promise<void> {
    const client = await fleet.sftp(TENANT);
    for (const name of names) await client.put(`${directory}/${name}`, Buffer.from(`${name} ${body}`));
  }

  async function delivered(directory: string): Promise<string[]> {
    const rows = await fleet.sql<{ name: string }[]>`
    SELECT f.name FROM job_steps s JOIN jobs j ON j.id = s.job_id JOIN files f ON f.id = j.file_id
    WHERE s.kind = 'deliver' AND s.state = 'SUCCEEDED' AND f.key LIKE ${`${TENANT}/${directory}/%`}
    ORDER BY s.finished_at`;
    return rows.map(({ name }) => name);
  }

  test('files put one after another are delivered in that order, whatever they are called', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `f${String(40 - index).padStart(2, '0')}.txt`);
    await put('sequence', names);
    await fleet.untilAllEnded(40, 120_000, TENANT);
    expect(await delivered('sequence')).toEqual(names);
  }, 180_000);

  test('a failed file holds back its directory until it is skipped, and no other directory and no other route', async () => {
    const client = await fleet.sftp(TENANT);
    await client.put('sequence/b/bad.txt', Buffer.from('short'));
    await put('sequence/b', ['good-2.txt', 'good-1.txt']);
    await put('sequence/c', ['elsewhere.txt']);
    await put('plain', ['plain.txt']);
    await fleet.waitUntil(
      'other files delivered',
      async () => {
        const done = [...(await delivered('sequence/c')), ...(await delivered('plain'))];
        return done.length === 2;
      },
      60_000,
    );
    const [head] = await fleet.waitUntil(
      'the head failed',
      async () => {
        const rows = await fleet.sql<{ id: string }[]>`
      SELECT j.id FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.name = 'bad.txt' AND j.state = 'FAILED'`;
        return rows.length === 1 && rows;
      },
      60_000,
    );
    const waiting = await fleet.sql`
    SELECT j.wakes, j.wait_reason FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.name LIKE 'good-%'`;
    expect(waiting).toEqual([
      { wakes: 0, wait_reason: 'TURN' },
      { wakes: 0, wait_reason: 'TURN' },
    ]);
    const skipped = await runLongshore(fleet.home, ['skip', head?.id ?? '', '--reason', 'a new one comes']);
    expect(skipped).toMatchObject({ code: 0, out: expect.stringMatching(/FAILED/) });
    await fleet.untilAllEnded(45, 60_000, TENANT);
    expect(await delivered('sequence/b')).toEqual(['good-2.txt', 'good-1.txt']);
  }, 180_000);
}
