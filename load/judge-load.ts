/** What a run of load may come to, and which of it a run missed. */
import type { Percentiles } from '../bench/percentiles.ts';

export const STAGES = [
  'registered',
  'routed',
  'claimed',
  'delivered',
  'archived',
  'put to delivered',
  'put to archived',
] as const;
export type Stage = (typeof STAGES)[number];

export type StageTimes = Readonly<Record<Stage, Percentiles>>;

export interface PhaseResult {
  readonly sent: number;
  readonly refused: number;
  readonly refusals: readonly string[];
  /** Accepted, and not completed or not in the delivered bucket. */
  readonly lost: number;
  /** Registered twice, or twice in the delivered bucket. */
  readonly doubled: number;
  /** From the first put to the last archived file. */
  readonly tookSeconds: number;
  readonly stagesMs: StageTimes;
}

export interface Bounds {
  /** From put to delivered. */
  readonly p95Ms?: number;
  readonly seconds?: number;
}

/** From put to delivered, outside of bursts. */
export const STEADY: Bounds = { p95Ms: 30_000 };
export const BURST = { seconds: 180 } as const satisfies Bounds;
/** Of the rate over many directories, in one. */
const ONE_DIRECTORY_SHARE = 0.8;
/** Of `/status`. */
const STATUS_P99_MS = 50;
/** Of the rate that was asked for: with less the client was the bottleneck, and its times say nothing. */
const ASKED_SHARE = 0.95;
/** Of the files of `parallel`, at one moment. */
const OPEN_SHARE = 0.5;
/** Of the files that were sent to stopped queues: what was on its way when they were stopped. */
const ENDED_WHILE_STOPPED_SHARE = 0.05;

/** One sentence for each bound that was missed; something must be sent, and nothing refused, lost or doubled, whatever the bounds. */
export function findMissedBounds(name: string, phase: PhaseResult, { p95Ms, seconds }: Bounds): string[] {
  const missed: string[] = [];
  if (phase.sent === 0) missed.push(`${name}: no file was sent`);
  for (const fault of ['refused', 'lost', 'doubled'] as const)
    if (phase[fault] > 0) missed.push(`${name}: ${phase[fault]} files ${fault}`);
  const { p95 } = phase.stagesMs['put to delivered'];
  if (p95Ms !== undefined && !(p95 <= p95Ms))
    missed.push(`${name}: p95 from put to delivered is ${p95} ms, more than ${p95Ms}`);
  if (seconds !== undefined && !(phase.tookSeconds <= seconds))
    missed.push(`${name}: took ${phase.tookSeconds} s, more than ${seconds}`);
  return missed;
}

/** Whether one directory is as fast as many, nearly. */
export function findSlowDirectory(one: PhaseResult, many: PhaseResult): string[] {
  const share = one.sent / one.tookSeconds / (many.sent / many.tookSeconds);
  if (share >= ONE_DIRECTORY_SHARE) return [];
  return [`one directory: ${share.toFixed(2)} of the rate over many, less than ${ONE_DIRECTORY_SHARE}`];
}

export interface StatusAnswers {
  readonly p99: number;
  readonly failures: number;
  readonly perSecond: number;
}

export function findSlowStatus({ p99, failures, perSecond }: StatusAnswers, rate: number): string[] {
  return [
    ...(failures > 0 ? [`/status: ${failures} requests failed`] : []),
    ...(p99 <= STATUS_P99_MS ? [] : [`/status: p99 is ${p99.toFixed(0)} ms, more than ${STATUS_P99_MS}`]),
    ...(perSecond >= rate * ASKED_SHARE
      ? []
      : [`/status: asked ${perSecond.toFixed(0)} times a second instead of ${rate}`]),
  ];
}

/** Files that are worked off as fast as they come are not side by side. */
export function findFewOpen(mostOpen: number, files: number): string[] {
  const wanted = Math.ceil(files * OPEN_SHARE);
  return mostOpen >= wanted ? [] : [`parallel: ${mostOpen} files were open at once, less than ${wanted}: send more`];
}

/** Whether the queues were stopped at all, and drained in the time of a burst, or in as long as they were stopped. */
export function findSlowDrain(
  sent: number,
  {
    endedWhileStopped,
    stoppedSeconds,
    drainSeconds,
  }: Record<'endedWhileStopped' | 'stoppedSeconds' | 'drainSeconds', number>,
): string[] {
  const wanted = Math.max(BURST.seconds, Math.round(stoppedSeconds));
  return [
    ...(endedWhileStopped <= sent * ENDED_WHILE_STOPPED_SHARE
      ? []
      : [`backpressure: ${endedWhileStopped} of ${sent} files ended while the queues were stopped: they were not`]),
    ...(drainSeconds <= wanted ? [] : [`backpressure: drained in ${drainSeconds} s, more than ${wanted}`]),
  ];
}

export function describePhase(name: string, phase: PhaseResult): string[] {
  const { sent, tookSeconds, refused, lost, doubled, refusals, stagesMs } = phase;
  const perSecond = (sent / tookSeconds).toFixed(1);
  const ms = (value: number) => (Number.isNaN(value) ? '-' : value.toFixed(0));
  return [
    `${name}: ${sent} files in ${tookSeconds} s (${perSecond}/s); ${refused} refused, ${lost} lost, ${doubled} doubled`,
    ...refusals.map((refusal) => `  refused: ${refusal}`),
    ...STAGES.map((stage) => {
      const { p50, p95, p99 } = stagesMs[stage];
      return `  ${stage.padEnd(16)} p50 ${ms(p50)} ms, p95 ${ms(p95)} ms, p99 ${ms(p99)} ms`;
    }),
  ];
}
