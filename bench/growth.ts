/**
 * `npm run bench -- growth`: files per second and the sweeper's clocks, with empty tables and with many finished files in them.
 *
 * 1. Two fleets run side by side, one with the history and one without; they take floods in turn, so that what else the machine does meets
 *    both. The processor time of a file holds where the rate does not.
 * 2. The history is put in, and its audit sealed, before the services start: they would read whole tables while indexes are made afterwards,
 *    and seal for minutes.
 * 3. The clocks are read while nothing arrives: in a flood a tick waits for the processor like everything else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sealLines } from '#shared/audit/seal-lines.ts';
import { insertFilesWithoutHistory, insertFinishedFiles } from './finished-files.ts';
import { round } from './fleet-requests.ts';
import { boundBetween } from './read-metrics.ts';
import { type FlowBench, TENANT } from './send-files.ts';
import { type Fleet, type Measured, withFleet } from './twin-fleets.ts';
import { withHome, withStack } from './with-stack.ts';

const SEALED_AT_ONCE = 5_000;

export interface GrowthBenchOptions {
  readonly finished: number;
  /** As many of the finished files have steps, attempts and audit events; the others are files and jobs alone. */
  readonly withHistory: number;
  readonly files: number;
  readonly floods: number;
  /** Seconds in which the clocks are read. */
  readonly rest: number;
  readonly json: boolean;
}

interface GrowthResult {
  readonly finished: number;
  readonly files: number;
  readonly floods: number;
  readonly empty: Measured;
  readonly grown: Measured;
  /** Files per second, and processor time of a file, over those of the empty tables. */
  readonly rateRatio: number;
  readonly cpuRatio: number;
  readonly wanted: { readonly rateRatio: number; readonly clockMs: number };
}

export async function runGrowthBench(options: GrowthBenchOptions): Promise<void> {
  const withHistory = Math.min(options.finished, options.withHistory);
  const seed = async ({ sql }: FlowBench) => {
    await insertFinishedFiles(sql, TENANT, withHistory);
    await insertFilesWithoutHistory(sql, TENANT, { from: withHistory + 1, to: options.finished });
    while ((await sealLines(sql, { limit: SEALED_AT_ONCE })).sealed > 0);
    await sql`VACUUM ANALYZE audit_events, audit_seals`;
  };
  const result = await withHome(async (grownHome) => {
    await withStack({ home: grownHome, services: [], isDisposable: true }, (_stack, bench) => seed(bench));
    return await withFleet(grownHome, (grown) =>
      withHome((emptyHome) => withFleet(emptyHome, (empty) => measureGrowth(empty, grown, options))),
    );
  });
  console.log(options.json ? JSON.stringify(result) : describe(result));
}

async function measureGrowth(empty: Fleet, grown: Fleet, options: GrowthBenchOptions): Promise<GrowthResult> {
  const { finished, files, floods, rest } = options;
  for (const fleet of [empty, grown]) await fleet.warmUp();
  for (let index = 0; index < floods; index += 1) {
    for (const fleet of index % 2 === 0 ? [empty, grown] : [grown, empty]) await fleet.flood(files);
  }
  const clocks = () => Promise.all([empty.readClocks(), grown.readClocks()]);
  const [emptyBefore, grownBefore] = await clocks();
  await sleep(rest * 1_000);
  const [emptyAfter, grownAfter] = await clocks();
  const of = {
    empty: empty.measured(boundBetween(emptyBefore, emptyAfter, 0.95)),
    grown: grown.measured(boundBetween(grownBefore, grownAfter, 0.95)),
  };
  return {
    finished,
    files,
    floods,
    ...of,
    rateRatio: round(of.grown.filesPerSecond / of.empty.filesPerSecond),
    cpuRatio: round((of.grown.cpuMsPerFile.total ?? 0) / (of.empty.cpuMsPerFile.total ?? 0)),
    wanted: { rateRatio: 0.9, clockMs: 50 },
  };
}

function describe({ finished, files, floods, empty, grown, rateRatio, cpuRatio, wanted }: GrowthResult): string {
  const each = (values: Readonly<Record<string, number>>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const lines = (name: string, { filesPerSecond, cpuMsPerFile, clockMs }: Measured) => [
    `${name}  ${filesPerSecond} files per second`,
    `  CPU per file (ms)   ${each(cpuMsPerFile)}`,
    `  clocks, p95 (ms) up to ${each(clockMs)} (wanted ${wanted.clockMs})`,
  ];
  return [
    `${floods} floods of ${files} files to each fleet`,
    ...lines('empty tables', empty),
    ...lines(`${finished} finished files`, grown),
    `ratio  files per second ${rateRatio} (wanted ${wanted.rateRatio}), CPU per file ${cpuRatio}`,
  ].join('\n');
}
