/** What a job of a route begins with. Pure, but for the id it gives. */
import type { Lane } from '#shared/definitions/lanes.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import { makeJobId } from './job-id.ts';
import { queueOfClass } from './lanes.ts';
import type { NewJob } from './route-files.ts';

export interface ActiveRoute {
  readonly routeId: string;
  readonly routeVersionId: string;
  readonly route: CompiledRoute;
}

/** What a job is made of next to its route. */
export interface JobFacts {
  readonly isLarge: boolean;
  /** Of the tenant; it counts where the route has none. */
  readonly priority: Lane;
  /** What it is for, whoever makes it; a job without is another each time. */
  readonly of?: readonly unknown[] | undefined;
  /** For its id, in milliseconds; now when absent. */
  readonly madeAt?: number;
}

export function newJob(
  { routeId, routeVersionId, route }: ActiveRoute,
  { isLarge, priority, of, madeAt }: JobFacts,
): NewJob {
  const [first] = route.steps;
  const lane = route.priority ?? priority;
  return {
    id: makeJobId(of, madeAt),
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
