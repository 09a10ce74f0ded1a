/**
 * The stage that holds a fleet back: where what waits takes longest to clear. On one machine a further instance of any other stage
 * only takes processor time from it.
 */
import { messagesPerSecondPerTask } from './scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from './service-capacities.ts';

export interface StageBacklog {
  readonly visibleMessages: number;
  readonly waitingRows: number;
  readonly runningTasks: number;
}

/** Undefined when nothing waits anywhere. */
export function findBottleneck(stages: Readonly<Record<ScaledService, StageBacklog>>): ScaledService | undefined {
  const services = Object.keys(SERVICE_OBJECTIVES) as ScaledService[];
  const waits = services.map((service) => ({ service, share: shareOfWantedLatency(service, stages[service]) }));
  const longest = waits.reduce((most, each) => (each.share > most.share ? each : most));
  return longest.share > 0 ? longest.service : undefined;
}

/** Over the stage's own wanted latency: a large copy may wait a minute, a small file seconds. */
function shareOfWantedLatency(service: ScaledService, stage: StageBacklog): number {
  const { capacity, wantedLatencySeconds } = SERVICE_OBJECTIVES[service];
  const perSecond = messagesPerSecondPerTask(capacity, 1) * Math.max(1, stage.runningTasks);
  return (stage.visibleMessages + stage.waitingRows) / perSecond / wantedLatencySeconds;
}
