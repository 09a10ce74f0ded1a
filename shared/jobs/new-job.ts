/** What a job of a route begins with. Pure, but for the id it gives. */
import { randomUUIDv7 } from 'node:crypto';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import type { NewJob } from './route-files.ts';

export interface ActiveRoute {
  readonly routeId: string;
  readonly routeVersionId: string;
  readonly route: CompiledRoute;
}

export function newJob({ routeId, routeVersionId, route }: ActiveRoute, isLarge: boolean): NewJob {
  const [first] = route.steps;
  return {
    id: randomUUIDv7(),
    routeId,
    routeVersionId,
    queue: first?.classOf(isLarge) === 'long' ? 'work' : 'partner-steps',
    stepKind: first?.kind ?? '',
    stepCount: route.steps.length,
    maxAttempts: route.retry.maxAttempts,
    isOrdered: route.ordered,
    headFailure: route.onHeadFailure,
  };
}
