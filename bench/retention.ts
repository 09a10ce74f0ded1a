/**
 * `npm run bench -- retention`: files per second with and without a deletion of expired files under way, and how fast that is.
 *
 * 1. Two fleets run side by side, with the same files that have ended. In one of them they have expired, and its retry-sweeper deletes them; they
 *    take floods in turn, so that what else the machine does meets both.
 * 2. A flood to which the deletion did not last is said so: its rate says nothing.
 * 3. Afterwards the deletion is waited for: every row has gone, and the certificates count each file once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { insertFinishedFiles } from './finished-files.ts';
import { round } from './fleet-requests.ts';
import { type FlowBench, TENANT } from './send-files.ts';
import { type Fleet, type Measured, withFleet } from './twin-fleets.ts';
import { withHome, withStack } from './with-stack.ts';

/** Of a file with its job and three steps. */
const ROWS_PER_FILE = 5;
const FAILED_EVERY = 1_000;
const EXPIRED_DAYS = 401;
const LOOK_MS = 500;

export interface RetentionBenchOptions {
  readonly rows: number;
  readonly perSecond: number;
  readonly files: number;
  readonly floods: number;
  readonly json: boolean;
}

interface RetentionResult {
  readonly rows: number;
  readonly insertedPerSecond: number;
  readonly deletedPerSecond: number;
  readonly certificates: { readonly count: number; readonly files: number };
  /** Floods during all of which files were deleted. */
  readonly floodsWhileDeleting: number;
  readonly floods: number;
  readonly quiet: Measured;
  readonly deleting: Measured;
  readonly rateRatio: number;
  readonly cpuRatio: number;
  readonly wanted: { readonly rateRatio: number };
}

export async function runRetentionBench(options: RetentionBenchOptions): Promise<void> {
  const expired = Math.ceil(options.rows / ROWS_PER_FILE);
  const seed = (home: string, endedDaysAgo: number) =>
    withStack({ home, services: [] }, async (_stack, { sql }: FlowBench) => {
      const startedMs = performance.now();
      await insertFinishedFiles(sql, TENANT, expired, FAILED_EVERY, endedDaysAgo);
      return (expired * ROWS_PER_FILE * 1_000) / (performance.now() - startedMs);
    });
  const env = {
    'retry-sweeper': { LONGSHORE_EXPIRY_MS: '1000', LONGSHORE_EXPIRY_FILES_PER_SECOND: String(options.perSecond) },
  };
  const result = await withHome(async (quietHome) => {
    await seed(quietHome, 0);
    return await withHome(async (deletingHome) => {
      const insertedPerSecond = await seed(deletingHome, EXPIRED_DAYS);
      return await withFleet(quietHome, (quiet) =>
        withFleet(
          deletingHome,
          async (deleting) => ({
            insertedPerSecond: round(insertedPerSecond),
            ...(await measure(quiet, deleting, options)),
          }),
          env,
        ),
      );
    });
  });
  console.log(options.json ? JSON.stringify(result) : describe(result));
}

async function measure(
  quiet: Fleet,
  deleting: Fleet,
  { files, floods, rows }: RetentionBenchOptions,
): Promise<Omit<RetentionResult, 'insertedPerSecond'>> {
  const { sql } = deleting.bench;
  const left = async () => {
    const [row] = await sql<{ files: number }[]>`
      SELECT count(*)::int AS files FROM files WHERE tenant_id = ${TENANT} AND expire_at <= now()`;
    return row?.files ?? 0;
  };
  const startedMs = performance.now();
  const atStart = await left();
  for (const fleet of [quiet, deleting]) await fleet.warmUp();
  let whileDeleting = 0;
  for (let index = 0; index < floods; index += 1) {
    for (const fleet of index % 2 === 0 ? [quiet, deleting] : [deleting, quiet]) await fleet.flood(files);
    if ((await left()) > 0) whileDeleting += 1;
  }
  while ((await left()) > 0) await sleep(LOOK_MS);
  const seconds = (performance.now() - startedMs) / 1_000;
  const [certificates] = await sql<{ count: number; files: number }[]>`
    SELECT count(*)::int AS count, coalesce(sum(files), 0)::int AS files FROM deletion_certificates`;
  const of = { quiet: quiet.measured(), deleting: deleting.measured() };
  return {
    rows,
    deletedPerSecond: round((atStart * ROWS_PER_FILE) / seconds),
    certificates: certificates ?? { count: 0, files: 0 },
    floodsWhileDeleting: whileDeleting,
    floods,
    ...of,
    rateRatio: round(of.deleting.filesPerSecond / of.quiet.filesPerSecond),
    cpuRatio: round((of.deleting.cpuMsPerFile.total ?? 0) / (of.quiet.cpuMsPerFile.total ?? 0)),
    wanted: { rateRatio: 0.9 },
  };
}

function describe(result: RetentionResult): string {
  const { rows, insertedPerSecond, deletedPerSecond, certificates, floodsWhileDeleting, floods } = result;
  const { quiet, deleting, rateRatio, cpuRatio, wanted } = result;
  const each = ({ cpuMsPerFile }: Measured) =>
    Object.entries(cpuMsPerFile)
      .map(([name, ms]) => `${name} ${ms}`)
      .join(', ');
  return [
    `${rows} rows: ${insertedPerSecond} rows per second in, ${deletedPerSecond} out; ${certificates.files} files in ${certificates.count} certificates`,
    `quiet     ${quiet.filesPerSecond} files per second; CPU per file (ms) ${each(quiet)}`,
    `deleting  ${deleting.filesPerSecond} files per second; CPU per file (ms) ${each(deleting)}`,
    `ratio  files per second ${rateRatio} (wanted ${wanted.rateRatio}), CPU per file ${cpuRatio}; ${floodsWhileDeleting} of ${floods} floods while files were deleted`,
  ].join('\n');
}
