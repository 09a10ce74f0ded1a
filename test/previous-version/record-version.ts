/**
 * `node test/previous-version/record-version.ts`, in the checkout of a release: a fleet is frozen in the middle of its work, and what is in its
 * tables, queues and buckets is written to `recorded-version.json`, which the next version is tested with.
 *
 * Services are frozen (SIGSTOP) one after another, against the stream: of each stage some files stay there.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { GetObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { BUCKET_IDS, QUEUE_IDS, type QueueId } from '#shared/runtime/config/resource-names.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { RECORDING, type RecordedMessage, type RecordedObject, type RecordedVersion } from './recorded-version.ts';

const TENANT = 'acme';
const RECORDS = 120;
/** Of the migrator itself. */
const NOT_RECORDED = ['__drizzle_migrations'];
const WAIT_MS = 120_000;
/** Of the queue whose messages stay hidden longest, and then some. */
const VISIBILITY_MS = 400_000;
/** Where the frozen fleet has left something. */
const EXPECTED: readonly QueueId[] = ['landing', 'ingest', 'partner-steps'];

const route = (name: string, options: object) => ({
  kind: 'route',
  tenant: TENANT,
  name,
  match: { path: `${name}/**` },
  ...options,
});

const fleet = await startTestFleet({
  tenants: [TENANT],
  servers: 'embedded',
  // Frozen processes would be taken for dead ones, and their leases must outlive the recording.
  env: { all: { LONGSHORE_LEASE_MS: '60000' } },
  routes: ({ endpoints }) =>
    definitions(
      testPartner({ tenant: TENANT, name: 'rfi', baseUrl: endpoints.partnerSimulator }),
      testRoute({ tenant: TENANT, name: 'records', partner: 'rfi' }),
      route('plain', { steps: [{ validate: {} }, { deliver: {} }, { confirm: {} }] }),
      route('strict', { steps: [{ validate: { csv: { header: ['id', 'amount'] } } }, { deliver: {} }] }),
      route('held', { hold: 'always', steps: [{ deliver: {} }] }),
      route('lines', { ordered: true, steps: [{ validate: {} }, { deliver: {} }] }),
      route('packed', { steps: [{ unpack: {} }] }),
    ),
});
try {
  await writeFile(RECORDING, `${JSON.stringify(await record(fleet))}\n`);
} finally {
  await fleet.stop();
}

async function record({ sql, stack, partner, put, waitUntil, bucket }: TestFleet): Promise<RecordedVersion> {
  const put3 = (folder: string, name: string, body: string) => put(`${TENANT}/${folder}/${name}`, body);
  const count = async (query: string) => Number((await sql.unsafe(`SELECT count(*) FROM ${query}`))[0]?.count);
  const until = (what: string, query: string, least: number) =>
    waitUntil(what, async () => (await count(query)) >= least, WAIT_MS);

  await put3('plain', 'ended.txt', 'all of it');
  await put3('strict', 'refused.csv', 'wrong,header\n1,2\n');
  await put3('held', 'waits.txt', 'for a person');
  await put3('records', 'ended.csv', recordsCsv([['r-1'], ['r-2', 'again']]));
  await until('files have ended', "files WHERE status IN ('COMPLETED', 'FAILED')", 3);
  await until('a job is held', "jobs WHERE wait_reason = 'HELD'", 1);

  await partner.setBehaviour({ latencies: [{ api: '*', fromMs: 400, toMs: 600 }] });
  await put3('records', 'open.csv', recordsCsv(Array.from({ length: RECORDS }, (_, row) => [`open-${row}`] as const)));
  await until('records are called', "records WHERE state = 'RUNNING'", 4);
  await until('records have succeeded', "records WHERE state = 'SUCCESS'", 6);
  freeze('partner-worker');
  for (const name of ['one', 'two', 'three']) await put3('plain', `${name}.txt`, `with a job: ${name}`);
  for (const name of ['first', 'second']) await put3('lines', `${name}.txt`, `in order: ${name}`);
  await until('jobs wait for a worker', "jobs WHERE state = 'PENDING'", 5);
  freeze('router');
  await put3('plain', 'registered.txt', 'without a job');
  await until('a file is registered', "files WHERE status = 'QUEUED' AND routed_at IS NULL", 1);
  freeze('ingestor');
  await put3('plain', 'landed.txt', 'only in the bucket');
  for (const service of ['large-file-worker', 'retry-sweeper', 'control-api']) freeze(service);

  const recorded = {
    version: JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')).version as string,
    migration: await lastMigration(),
    recordedAt: new Date().toISOString(),
    prefix: stack.env.LONGSHORE_PREFIX ?? '',
    partnerUrl: stack.endpoints.partnerSimulator,
    tables: await readTables(),
    messages: await receiveMessages(),
    objects: await readObjects(),
  };
  for (const process of Object.values(stack.processes)) process.kill('SIGCONT');
  await partner.setBehaviour({});
  await until('all but the held file have ended', "files WHERE status IN ('COMPLETED', 'FAILED')", 11);
  const ends = await sql<{ key: string; status: string }[]>`SELECT key, status FROM files ORDER BY key`;
  return { ...recorded, ends: Object.fromEntries(ends.map(({ key, status }) => [key, status])) };

  function freeze(service: string): void {
    const names = Object.keys(stack.processes).filter((name) => name === service || name.startsWith(`${service}-`));
    if (names.length === 0)
      throw new Error(`no process of ${service} among ${Object.keys(stack.processes).join(', ')}`);
    for (const name of names) stack.processes[name]?.kill('SIGSTOP');
  }

  async function lastMigration(): Promise<string> {
    const journal = new URL('../../shared/db/migrations/meta/_journal.json', import.meta.url);
    const { entries } = JSON.parse(await readFile(journal, 'utf8')) as { readonly entries: readonly { tag: string }[] };
    return entries.at(-1)?.tag ?? '';
  }

  async function readTables(): Promise<RecordedVersion['tables']> {
    const names = await sql<{ name: string }[]>`
      SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname`;
    const tables: Record<string, object[]> = {};
    for (const { name } of names.filter((each) => !NOT_RECORDED.includes(each.name))) {
      const rows = await sql.unsafe(`SELECT to_jsonb(t) AS row FROM "${name}" t`);
      if (rows.length > 0) tables[name] = rows.map(({ row }) => row as object);
    }
    return tables;
  }

  /** Those that a frozen receiver has come back after their visibility timeout. */
  async function receiveMessages(): Promise<RecordedMessage[]> {
    const messages = new Map<string, RecordedMessage>();
    const isComplete = () => EXPECTED.every((queue) => [...messages.values()].some((each) => each.queue === queue));
    await waitUntil(
      `messages of ${EXPECTED.join(', ')} are visible`,
      async () => {
        for (const queue of QUEUE_IDS) for (const message of await receive(queue)) messages.set(message.body, message);
        return isComplete();
      },
      VISIBILITY_MS,
    );
    return [...messages.values()];
  }

  async function receive(queue: QueueId): Promise<RecordedMessage[]> {
    const { Messages = [] } = await fleet.sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: fleet.queueUrls[queue].main,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ['MessageGroupId'],
        // They come again when the fleet continues.
        VisibilityTimeout: 30,
      }),
    );
    return Messages.map(({ Body = '', Attributes }) => {
      const groupId = Attributes?.MessageGroupId;
      return { queue, body: Body, ...(groupId !== undefined && { groupId }) };
    });
  }

  async function readObjects(): Promise<RecordedObject[]> {
    const objects: RecordedObject[] = [];
    for (const id of BUCKET_IDS) {
      const { Versions = [] } = await fleet.s3.send(new ListObjectVersionsCommand({ Bucket: bucket(id) }));
      for (const { Key = '', VersionId = '' } of Versions.toReversed()) {
        const { Body, ContentType } = await fleet.s3.send(new GetObjectCommand({ Bucket: bucket(id), Key, VersionId }));
        const body = (await Body?.transformToString('base64')) ?? '';
        objects.push({
          bucket: id,
          key: Key,
          versionId: VersionId,
          body,
          ...(ContentType && { contentType: ContentType }),
        });
      }
    }
    return objects;
  }
}
