/**
 * `npm run bench -- retention`: files per second with and without a deletion of expired files under way, and how fast that is.
 *
 * 1. Two fleets run side by side, with the same rows of files that expired; the second is a copy of the first. In one of them a legal hold keeps
 *    them, in the other a retry-sweeper deletes them at a rate of production. They take floods in turn, so that what else the machine does meets
 *    both. A flood to which the deletion did not last is said so: its rate says nothing.
 * 2. What is left afterwards is deleted by a retry-sweeper alone, as fast as it can.
 * 3. At the end every row has gone, and the certificates count each file once.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Sql } from '#shared/db/connect-database.ts';
import { placeHold } from '#shared/retention/legal-holds.ts';
import { setRetentionDefault } from '#shared/retention/redate-files.ts';
import { insertFilesWithoutHistory } from './finished-files.ts';
import { round } from './fleet-requests.ts';
import { type FlowBench, TENANT } from './send-files.ts';
import { type Fleet, type Measured, withFleet } from './twin-fleets.ts';
import { withHome, withStack } from './with-stack.ts';

/** Of a file with its job and three steps. */
const ROWS_PER_FILE = 5;
/** The default of `LONGSHORE_FILE_RETENTION_DAYS`. */
const KEPT_DAYS = 400;
const DAY_MS = 86_400_000;
const LOOK_MS = 500;
const UNBOUNDED_PER_SECOND = 100_000;

export interface RetentionBenchOptions {
  readonly rows: number;
  readonly perSecond: number;
  readonly files: number;
  readonly floods: number;
  readonly json: boolean;
}

interface Floods {
  /** Floods during all of which files were deleted. */
  readonly floodsWhileDeleting: number;
  readonly floods: number;
  readonly quiet: Measured;
  readonly deleting: Measured;
  readonly rateRatio: number;
  readonly cpuRatio: number;
}

interface RetentionResult extends Floods {
  readonly rows: number;
  readonly inSeconds: number;
  /** Of the sweeper alone, of the rows that the floods left. */
  readonly outSeconds: number;
  readonly deletedPerSecond: number;
  readonly certificates: { readonly count: number; readonly files: number };
  readonly wanted: { readonly rateRatio: number };
}

export async function runRetentionBench(options: RetentionBenchOptions): Promise<void> {
  const files = Math.ceil(options.rows / ROWS_PER_FILE);
  const result = await withHome((deletingHome) =>
    withHome(async (quietHome): Promise<RetentionResult> => {
      const inSeconds = await withStack(
        { home: deletingHome, services: [], isDisposable: true },
        async (_stack, { sql }: FlowBench) => {
          // As the sweepers of a fleet in use have set it: dates are not gone through again.
          await setRetentionDefault(sql, KEPT_DAYS * DAY_MS);
          return await seconds(() =>
            insertFilesWithoutHistory(sql, TENANT, {
              from: 1,
              to: files,
              history: 'steps',
              endedDaysAgo: KEPT_DAYS + 1,
            }),
          );
        },
      );
      report(`put in ${files * ROWS_PER_FILE} rows within ${round(inSeconds)} s`);
      // With its owners, which are not ours where the database runs as somebody else.
      await promisify(execFile)('cp', ['-a', `${deletingHome}/.`, quietHome]);
      await withStack({ home: quietHome, services: [] }, (_stack, { sql }: FlowBench) =>
        placeHold(sql, { tenantId: TENANT, reason: 'measured without a deletion', actor: 'bench' }),
      );
      const floods = await withFleet(quietHome, (quiet) =>
        withFleet(
          deletingHome,
          (deleting) => measureFloods(quiet, deleting, options),
          sweeperEnvironment(options.perSecond),
        ),
      );
      report(`${floods.floods} floods to each fleet: ratio ${floods.rateRatio}`);
      return {
        rows: files * ROWS_PER_FILE,
        inSeconds: round(inSeconds),
        ...floods,
        ...(await deleteTheRest(deletingHome)),
        wanted: { rateRatio: 0.9 },
      };
    }),
  );
  console.log(options.json ? JSON.stringify(result) : describe(result));
}

function sweeperEnvironment(filesPerSecond: number) {
  return {
    'retry-sweeper': { LONGSHORE_EXPIRY_MS: '1000', LONGSHORE_EXPIRY_FILES_PER_SECOND: String(filesPerSecond) },
  };
}

async function measureFloods(quiet: Fleet, deleting: Fleet, { files, floods }: RetentionBenchOptions): Promise<Floods> {
  const { sql } = deleting.bench;
  for (const fleet of [quiet, deleting]) await fleet.warmUp();
  let whileDeleting = 0;
  for (let index = 0; index < floods; index += 1) {
    for (const fleet of index % 2 === 0 ? [quiet, deleting] : [deleting, quiet]) await fleet.flood(files);
    if (await isAnyLeft(sql)) whileDeleting += 1;
  }
  const of = { quiet: quiet.measured(), deleting: deleting.measured() };
  return {
    floodsWhileDeleting: whileDeleting,
    floods,
    ...of,
    rateRatio: round(of.deleting.filesPerSecond / of.quiet.filesPerSecond),
    cpuRatio: round((of.deleting.cpuMsPerFile.total ?? 0) / (of.quiet.cpuMsPerFile.total ?? 0)),
  };
}

async function deleteTheRest(home: string) {
  const env = sweeperEnvironment(UNBOUNDED_PER_SECOND);
  const before = await withStack({ home, services: [] }, (_stack, { sql }: FlowBench) => readCertificates(sql));
  return await withStack({ home, services: ['retry-sweeper'], env }, async (_stack, { sql }: FlowBench) => {
    const outSeconds = await seconds(async () => {
      while (await isAnyLeft(sql)) await sleep(LOOK_MS);
    });
    const certificates = await readCertificates(sql);
    const rows = (certificates.files - before.files) * ROWS_PER_FILE;
    return { outSeconds: round(outSeconds), deletedPerSecond: round(rows / outSeconds), certificates };
  });
}

async function readCertificates(sql: Sql): Promise<RetentionResult['certificates']> {
  const [row] = await sql<RetentionResult['certificates'][]>`
    SELECT count(*)::int AS count, coalesce(sum(files), 0)::int AS files FROM deletion_certificates`;
  return row ?? { count: 0, files: 0 };
}

async function isAnyLeft(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ left: boolean }[]>`
    SELECT EXISTS (SELECT FROM files WHERE tenant_id = ${TENANT} AND expire_at <= now()) AS left`;
  return row?.left ?? false;
}

/** What takes minutes says where it is. */
function report(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function seconds(run: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await run();
  return (performance.now() - startedMs) / 1_000;
}

function describe(result: RetentionResult): string {
  const { rows, inSeconds, outSeconds, deletedPerSecond, certificates, floodsWhileDeleting, floods } = result;
  const { quiet, deleting, rateRatio, cpuRatio, wanted } = result;
  const each = ({ cpuMsPerFile }: Measured) =>
    Object.entries(cpuMsPerFile)
      .map(([name, ms]) => `${name} ${ms}`)
      .join(', ');
  return [
    `${rows} rows: in within ${inSeconds} s; the floods’ rest out within ${outSeconds} s, ${deletedPerSecond} per second; ${certificates.files} files in ${certificates.count} certificates`,
    `quiet     ${quiet.filesPerSecond} files per second; CPU per file (ms) ${each(quiet)}`,
    `deleting  ${deleting.filesPerSecond} files per second; CPU per file (ms) ${each(deleting)}`,
    `ratio  files per second ${rateRatio} (wanted ${wanted.rateRatio}), CPU per file ${cpuRatio}; ${floodsWhileDeleting} of ${floods} floods while files were deleted`,
  ].join('\n');
}
