/**
 * What a drill has to show: one sentence for each thing that it did not.
 *
 * 1. A drill in which nothing happened shows nothing: without files, effects, replayed events or a file completed by each home it is not good.
 * 2. Nothing is lost, done twice or misjudged at any time; nothing is missing once the lost home is back.
 */
import type { DrillOutcome } from './count-outcome.ts';
import type { DrillReport } from './drill-report.ts';

const FENCED = { role: 'follows', setAside: true, services: 0, refusal: '25006' };

export function judgeDrill(report: Omit<DrillReport, 'faults'>): string[] {
  const { afterFailover, afterReturn, afterReplay, afterWayBack, fenced, replayed, times, databaseRpoMs } = report;
  const faults = [
    ...judgeOutcome('after the failover', afterFailover, { mayMiss: true }),
    ...judgeOutcome('after the return', afterReturn),
    ...judgeOutcome('after the replay', afterReplay),
    ...judgeOutcome('after the way back', afterWayBack),
    ...report.violations.map(({ rule, rows }) => `${rule}: ${JSON.stringify(rows).slice(0, 400)}`),
  ];
  const wants = (isSo: boolean, fault: string) => void (isSo || faults.push(fault));
  wants(afterFailover.acknowledged > 0, 'no upload was acknowledged before the return');
  wants(afterFailover.delivered > 0, 'no file was delivered before the return');
  wants(afterWayBack.acknowledged > afterReplay.acknowledged, 'no upload was acknowledged on the way back');
  wants(afterFailover.effects > 0, 'the partner carried out no call');
  for (const [name, wanted] of Object.entries(FENCED)) {
    const is = fenced[name as keyof typeof FENCED];
    wants(is === wanted, `the returned home is not fenced: ${name} is ${is}, not ${wanted}`);
  }
  for (const [name, ms] of Object.entries({ ...times, databaseRpoMs }))
    wants(Number.isFinite(ms) && ms >= 0, `${name} was not seen`);
  wants(replayed.events >= afterReturn.acknowledged, `${replayed.events} events were replayed, fewer than uploads`);
  wants(replayed.deadLetters > 0, 'no dead letter was replayed');
  const made = afterReplay.effects - afterReturn.effects;
  wants(made === 0, `the replay made ${made} effects`);
  return faults;
}

function judgeOutcome(when: string, { missing, lost, twice, misjudged }: DrillOutcome, { mayMiss = false } = {}) {
  const faults = { ...(!mayMiss && { missing }), lost, twice, misjudged };
  return Object.entries(faults).flatMap(([name, each]) =>
    each.length === 0 ? [] : [`${when}: ${each.length} ${name}`],
  );
}
