/**
 * Runs as many instances of each service as were asked for, or as the scaling policy wants.
 *
 * 1. The policy is the one that AWS scales by; here it is bounded by the machine: over all services, as many further instances as it has
 *    cores, since one more would only take their time.
 * 2. Only the bottleneck grows: a further router takes time from the workers that a backlog waits for.
 * 3. A reading that fails changes nothing: whoever scales on what is not known stops what is needed.
 */
import type { ServiceName } from '#local/launcher/processes.ts';
import type { QueueLoad } from '#local/launcher/read-fleet-load.ts';
import { MOST_INSTANCES, type Scale } from '#local/launcher/scale-option.ts';
import type { ServiceInstances } from '#local/launcher/service-instances.ts';
import { type ClockLoop, createClockLoop } from '#shared/runtime/clock-loop.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { findBottleneck } from '#shared/scaling/find-bottleneck.ts';
import { createScalingLoop } from '#shared/scaling/scaling-loop.ts';
import { policyOf, type ScaledService } from '#shared/scaling/service-capacities.ts';

export interface ScaleServicesOptions {
  readonly scale: Scale;
  readonly instances: ServiceInstances;
  /** What waits for each service now. */
  readonly readLoad: () => Promise<(service: ScaledService) => QueueLoad>;
  readonly cores: number;
  readonly logger: Logger;
  readonly readEveryMs?: number;
  readonly shrinkEverySeconds?: number;
}

export interface ServiceScaler {
  /** Starts what was asked for by number, then reads. @throws when one of them does not become ready */
  start(): Promise<void>;
  /** No more instances come or go. Idempotent. */
  stop(): Promise<void>;
}

/** The retry-sweeper, whose gauges are read, looks every ten seconds. */
const READ_EVERY_MS = 5_000;
const SHRINK_EVERY_SECONDS = 60;
/** A process of one machine is there again within a second, so it may go sooner than a task that takes a minute to start. */
const LARGEST_SHRINK = 0.5;
/** Longer than an instance drains. */
const STOP_TIMEOUT_MS = 20_000;

export function createServiceScaler(options: ScaleServicesOptions): ServiceScaler {
  const { scale, instances, logger } = options;
  const loops: ClockLoop[] = [];
  let isStopping = false;

  async function startNumbered(): Promise<void> {
    for (const [service, wanted] of Object.entries(scale) as [ServiceName, number | 'auto'][]) {
      while (wanted !== 'auto' && !isStopping && instances.count(service) < wanted) await instances.grow(service);
    }
  }

  function scaleByPolicy(service: ScaledService): ClockLoop {
    const policy = policyOf(service, { vcpu: 1, minTasks: 1, maxTasks: MOST_INSTANCES, largestShrink: LARGEST_SHRINK });
    const { shrinkEverySeconds = SHRINK_EVERY_SECONDS, readEveryMs = READ_EVERY_MS } = options;
    const loop = createScalingLoop({ policy, shrinkEverySeconds });
    return createClockLoop({
      name: `scale ${service}`,
      intervalMs: readEveryMs,
      logger,
      tick: async () => {
        const loadOf = await options.readLoad();
        const load = loadOf(service);
        // The gauges tell what stands, not what came; it is read every few seconds.
        const seen = { ...load, arrivalsPerSecond: 0, runningTasks: instances.count(service) };
        const wanted = loop.read(seen, performance.now() / 1_000);
        await approach(service, wanted, bottleneck(loadOf) === service);
        return 'done';
      },
    });
  }

  function bottleneck(loadOf: (service: ScaledService) => QueueLoad): ScaledService | undefined {
    const stage = (service: ScaledService) => ({ ...loadOf(service), runningTasks: instances.count(service) });
    return findBottleneck({
      ingestor: stage('ingestor'),
      router: stage('router'),
      'partner-worker': stage('partner-worker'),
      'large-file-worker': stage('large-file-worker'),
    });
  }

  async function approach(service: ScaledService, wanted: number, mayGrow: boolean): Promise<void> {
    while (mayGrow && !isStopping && instances.count(service) < wanted && instances.furtherCount() < options.cores) {
      await instances.grow(service);
    }
    while (!isStopping && instances.count(service) > wanted) await instances.shrink(service);
  }

  return {
    start: async () => {
      await startNumbered();
      const auto = Object.keys(scale).filter((service) => scale[service as ServiceName] === 'auto') as ScaledService[];
      loops.push(...auto.map(scaleByPolicy));
      for (const loop of loops) loop.start();
    },
    stop: async () => {
      isStopping = true;
      await Promise.all(loops.map((loop) => loop.stop({ timeoutMs: STOP_TIMEOUT_MS })));
    },
  };
}
