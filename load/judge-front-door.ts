/** The bounds of `npm run load -- front-door`, and which of them a run missed. */
import type { Percentiles } from '../bench/percentiles.ts';

export const STAGES = ['registered', 'routed', 'claimed', 'delivered', 'archived', 'put to delivered'] as const;
export type Stage = (typeof STAGES)[number];

export type StageTimes = Readonly<Record<Stage, Percentiles>>;

export interface PhaseResult {
  readonly sent: number;
  readonly refused: number;
  readonly refusals: readonly string[];
  /** Accepted, and not COMPLETED or not in the delivered bucket. */
  readonly lost: number;
  /** Registered twice, or twice in the delivered bucket. */
  readonly doubled: number;
  /** From the first put to the last archived file. */
  readonly tookSeconds: number;
  readonly stagesMs: StageTimes;
  readonly gatewayRssMb: number;
}

/** From put to delivered, outside of the burst. */
const STEADY_P95_MS = 30_000;
const BURST_SECONDS = 180;

/** One sentence for each bound that was missed. */
export function findMissedBounds(steady: PhaseResult, burst: PhaseResult | undefined): string[] {
  const missed: string[] = [];
  for (const [name, phase] of Object.entries({ steady, burst })) {
    for (const fault of ['refused', 'lost', 'doubled'] as const) {
      const count = phase?.[fault] ?? 0;
      if (count > 0) missed.push(`${name}: ${count} files ${fault}`);
    }
  }
  const { p95 } = steady.stagesMs['put to delivered'];
  if (!(p95 <= STEADY_P95_MS))
    missed.push(`steady: p95 from put to delivered is ${p95} ms, more than ${STEADY_P95_MS}`);
  if (burst !== undefined && !(burst.tookSeconds <= BURST_SECONDS)) {
    missed.push(`burst: took ${burst.tookSeconds} s, more than ${BURST_SECONDS}`);
  }
  return missed;
}
