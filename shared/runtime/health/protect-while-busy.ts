/**
 * Asks Amazon ECS not to end this task for a scale-in or a deployment while it is at work (ECS, "Task scale-in protection").
 *
 * 1. Asked a few seconds after work began: a copy of hours is not given up for a task too many, and short work never asks.
 * 2. Protection ends on its own within the hour, so a task that hangs is not kept for ever; while work continues it is asked for again.
 * 3. It only saves time. When the agent does not answer, work continues, and whatever is cut off is taken over elsewhere.
 */
import { createClockLoop } from '#shared/runtime/clock-loop.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { Service } from '#shared/runtime/run-service.ts';

export interface ProtectionOptions {
  /** `ECS_AGENT_URI`, which ECS gives to each container; without it nothing is asked. */
  readonly agentUri: string | undefined;
  readonly countBusy: () => number | Promise<number>;
  readonly logger: Logger;
  readonly intervalMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const EXPIRES_MINUTES = 60;
const RENEW_AFTER_MS = (EXPIRES_MINUTES / 2) * 60_000;
const DEADLINE_MS = 3_000;
const STOP_MS = 1_000;

export function protectWhileBusy(service: Service, options: ProtectionOptions): Service {
  const { agentUri, countBusy, logger, intervalMs = 5_000, now = () => performance.now() } = options;
  if (agentUri === undefined) return service;
  let protectedSince: number | undefined;

  async function look(): Promise<'done'> {
    const isBusy = (await countBusy()) > 0;
    const isFresh = protectedSince !== undefined && now() - protectedSince < RENEW_AFTER_MS;
    if (isBusy && !isFresh) {
      await setProtection(agentUri!, true);
      protectedSince = now();
    } else if (!isBusy && protectedSince !== undefined) {
      await setProtection(agentUri!, false);
      protectedSince = undefined;
    }
    return 'done';
  }

  const clock = createClockLoop({ name: 'protection', intervalMs, tick: look, logger });
  return {
    ...service,
    async start() {
      await service.start();
      clock.start();
    },
    async stop() {
      await clock.stop({ timeoutMs: STOP_MS });
      await service.stop();
    },
  };
}

/** @throws when the agent does not answer, or refuses. */
async function setProtection(agentUri: string, isEnabled: boolean): Promise<void> {
  const body = isEnabled
    ? { ProtectionEnabled: true, ExpiresInMinutes: EXPIRES_MINUTES }
    : { ProtectionEnabled: false };
  const reply = await fetch(`${agentUri}/task-protection/v1/state`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  const text = await reply.text();
  if (!reply.ok || !text.includes('"protection"'))
    throw new Error(`The ECS agent answered ${reply.status}: ${text.slice(0, 200)}`);
}
