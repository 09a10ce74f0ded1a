/** Files of every odd name and size, sent as partners send them: each is delivered, archived, told of, and gone from landing. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { knownFiles, makeFile, type TestFile } from '#testkit/seeds/known-files.ts';
import { isOpensshInstalled, quoted, runOpensshBatch } from '#testkit/servers/openssh-sftp.ts';
import type { SftpClient } from '#testkit/servers/sftp-client.ts';

const TENANT = 'front';
export const FRONT_DOOR_ROUTES = `
kind: route
tenant: ${TENANT}
name: everything
match: { path: "**" }
steps:
  - deliver: {}
  - confirm:
`;
/** The gateway's parts: a file of one part, and one byte more or less, take different ways through a multipart upload. */
const PART_BYTES = 8 * 1024 ** 2;

const ODD_NAMES = [
  'with spaces  and more.csv',
  ' leading and trailing .csv ',
  'Grüße & Küsse.csv',
  'Z\u0065\u0301ro-decomposed.csv',
  '日本語の請求書.csv',
  'Счёт-фактура №7.xml',
  'فاتورة.csv',
  '🚢📦.bin',
  `${'n'.repeat(196)}.csv`,
  `${'ü'.repeat(98)}.csv`,
  'no-extension',
  'UPPER.CSV',
  'many.dots...tar.gz',
  'quote\'s and "quotes".csv',
  '<tag>&amp;.xml',
  'percent%20and%25.csv',
  'plus+plus=equals.csv',
  'semi;colon,comma.csv',
  'hash#query?.csv',
  '$dollar`tick`.csv',
  'star*[bracket]{brace}.csv',
  'tilde~caret^pipe|.csv',
  'constructor',
  '__proto__',
  'null',
];

function makeOddFiles(): TestFile[] {
  const sizes = [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 30 * 1024 ** 2];
  const bySize = sizes.map((size) => makeFile(`sizes/${size}-bytes.bin`, size));
  const byName = ODD_NAMES.map((name, index) => makeFile(`names/${name}`, 10 + index));
  const rest = 200 - bySize.length - byName.length;
  const plain = Array.from({ length: rest }, (_, index) =>
    makeFile(`daily/report ${index}.csv`, (index * 397) % 20_000),
  );
  return [...bySize, ...byName, ...plain];
}

export function frontDoor(running: () => TestFleet): void {
  let fleet: TestFleet;
  let partner: SftpClient;
  const sent: TestFile[] = [];

  beforeAll(async () => {
    fleet = running();
    partner = await fleet.sftp(TENANT);
  });

  test('200 files of odd names and sizes are delivered byte for byte, archived, and gone from landing', async () => {
    const files = makeOddFiles();
    sent.push(...files);
    for (const directory of ['sizes', 'names', 'daily']) await partner.makeDirectory(`/${directory}`);
    // OpenSSH reads `*`, `?`, `[` and line breaks in a batch as patterns, so it sends what needs no care.
    const byOpenssh = isOpensshInstalled()
      ? files.filter(({ path }) => /^(daily|sizes)\//.test(path)).slice(0, 90)
      : [];
    const byLibrary = files.filter((file) => !byOpenssh.includes(file));
    await Promise.all([sendByOpenssh(byOpenssh), sendByLibrary(byLibrary)]);

    await fleet.untilAllEnded(files.length, 60_000, TENANT);
    expect(await checkGuarantees(fleet, { known: knownFiles(TENANT, sent) })).toEqual([]);
  });

  test('the API tells each of them to be completed, by the path its sender knows', async () => {
    for (const { path, body } of sent) {
      const name = path.normalize('NFC');
      const { status, body: reply } = await fleet.api(`/status?file_id=${encodeURIComponent(name)}`, {
        tenant: TENANT,
      });
      expect({ status, ...reply }, name).toMatchObject({
        status: 'completed',
        key: `${TENANT}/${name}`,
        file_size: body.length,
        customer_id: TENANT,
        destination_bucket: fleet.bucket('delivered'),
        error_message: null,
      });
    }
  });

  test('each of them is told of once on the success topic', async () => {
    const notices = [...(await fleet.notices.read()).values()].filter(({ type }) => type === 'file.completed');
    const keys = notices
      .map(({ data }) => data.key as string)
      .filter((key) => key.startsWith(`${TENANT}/`))
      .sort();
    expect(keys).toEqual([...knownFiles(TENANT, sent).keys()].sort());
  });

  test('an upload that is cut off never becomes a job, and what comes after it does', async () => {
    const doomed = await fleet.sftp(TENANT);
    await doomed.cutOff('/daily/cut off.csv', Buffer.alloc(100_000, 'x'));
    const after = makeFile('daily/after the cut.csv', 500);
    await partner.put(`/${after.path}`, after.body);
    sent.push(after);

    const [failed] = await fleet.waitUntil(
      'the cut-off upload is known',
      async () => {
        const rows = await fleet.sql`
          SELECT status, error_cause, job_count FROM files WHERE key = ${`${TENANT}/daily/cut off.csv`}`;
        return rows.length > 0 && rows[0]?.status === 'QUARANTINED' ? rows : undefined;
      },
      60_000,
    );
    expect(failed).toMatchObject({ error_cause: 'PARTIAL_UPLOAD', job_count: 0 });
    await fleet.untilAllEnded(sent.length + 1, 60_000, TENANT);
    expect(await checkGuarantees(fleet, { known: knownFiles(TENANT, sent) })).toEqual([]);
  }, 180_000);

  test('a file sent as .tmp and then renamed is taken once, under its final name', async () => {
    const file = makeFile('daily/renamed.csv', 3_000);
    await partner.put('/daily/renamed.csv.tmp', file.body);
    await partner.rename('/daily/renamed.csv.tmp', '/daily/renamed.csv');
    sent.push(file);
    await fleet.untilAllEnded(sent.length + 1, 60_000, TENANT);
    const rows = await fleet.sql`SELECT key, status FROM files WHERE key LIKE ${`${TENANT}/daily/renamed%`}`;
    expect([...rows]).toEqual([{ key: `${TENANT}/daily/renamed.csv`, status: 'COMPLETED' }]);
    expect(await checkGuarantees(fleet, { known: knownFiles(TENANT, sent) })).toEqual([]);
  });

  async function sendByLibrary(files: readonly TestFile[]): Promise<void> {
    for (const { path, body } of files) await partner.put(`/${path}`, body);
  }

  async function sendByOpenssh(files: readonly TestFile[]): Promise<void> {
    if (files.length === 0) return;
    const directory = await mkdtemp(join(tmpdir(), 'longshore-batch-'));
    try {
      const lines = files.map(async ({ path, body }, index) => {
        const local = join(directory, String(index));
        await writeFile(local, body);
        return `put ${quoted(local)} ${quoted(`/${path}`)}`;
      });
      await runOpensshBatch(
        fleet.stack.endpoints.sftp,
        fleet.stack.endpoints.tenants[TENANT]!,
        await Promise.all(lines),
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}
