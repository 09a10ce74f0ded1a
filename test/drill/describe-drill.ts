/** What a drill came to, on one screen. */
import type { DrillOutcome } from './count-outcome.ts';
import type { DrillReport } from './drill-report.ts';

const MOST_SHOWN = 5;

export function describeDrill(report: DrillReport): string[] {
  const { times, unreplicated, fenced } = report;
  const bytes = unreplicated.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return [
    `Failover drill: ${report.faults.length === 0 ? 'good' : 'NOT good'}`,
    ...report.faults.map((fault) => `  ${fault}`),
    `RPO         database ${report.databaseRpoMs} ms, objects ${report.objectRpoMs} ms: ` +
      `${unreplicated.length} objects of ${Math.round(bytes / 1e6)} MB had not been copied`,
    `RTO         name ${seconds(times.nameMs)}, first upload ${seconds(times.uploadMs)}, services ${seconds(times.promotedMs)}, ` +
      `first file completed ${seconds(times.completedMs)}`,
    `way back    ${seconds(times.wayBackMs)} without services`,
    `sent again  ${report.resent} files that were under way`,
    `returned    ${fenced.role}, own data ${fenced.setAside ? 'set aside' : 'NOT set aside'}, ${fenced.services} services, ` +
      `writes refused with ${fenced.refusal}`,
    `awaited     ${report.awaited} files, for objects that the lost home had not copied`,
    `replayed    ${report.replayed.events} events, ${report.replayed.deadLetters} dead letters`,
    'files                 acknowledged  delivered  missing     lost    twice  misjudged  repeated  AMBIGUOUS  effects',
    row('after the failover', report.afterFailover),
    row('after the return', report.afterReturn),
    row('after the replay', report.afterReplay),
    row('after the way back', report.afterWayBack),
    ...[report.afterFailover, report.afterReturn, report.afterReplay, report.afterWayBack].flatMap(describeFaults),
  ];
}

function row(name: string, outcome: DrillOutcome): string {
  const numbers = [
    [outcome.acknowledged, 14],
    [outcome.delivered, 11],
    [outcome.missing.length, 9],
    [outcome.lost.length, 9],
    [outcome.twice.length, 9],
    [outcome.misjudged.length, 11],
    [outcome.repeated, 10],
    [outcome.ambiguous, 11],
    [outcome.effects, 9],
  ] as const;
  return `  ${name.padEnd(18)}${numbers.map(([number, width]) => String(number).padStart(width)).join('')}`;
}

function describeFaults({ missing, lost, twice, misjudged }: DrillOutcome): string[] {
  return Object.entries({ missing, lost, twice, misjudged }).flatMap(([name, each]) =>
    each.slice(0, MOST_SHOWN).map((what) => `  ${name}: ${what}`),
  );
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}
