/** What a job of a route begins with. Pure, but for the id it gives. */
import { randomUUIDv7 } from 'node:crypto';
import type { Lane } from '#shared/definitions/lanes.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import { queueOfClass } from './lanes.ts';
import type { NewJob } from './route-files.ts';

export interface ActiveRoute {
  readonly routeId: string;
  readonly routeVersionId: string;
  readonly route: CompiledRoute;
}

/** `priority` of the tenant counts where the route has none. */
export function newJob(
  { routeId, routeVersionId, route }: ActiveRoute,
  { isLarge, priority }: { readonly isLarge: boolean; readonly priority: Lane },
): NewJob {
  const [first] = route.steps;
  const lane = route.priority ?? priority;
  return {
    id: randomUUIDv7(),
    routeId,
    routeVersionId,
    lane,
    queue: queueOfClass(first?.classOf(isLarge) ?? 'short', lane),
    stepKind: first?.kind ?? '',
    stepCount: route.steps.length,
    maxAttempts: route.retry.maxAttempts,
    isOrdered: route.ordered,
    headFailure: route.onHeadFailure,
  };
}
