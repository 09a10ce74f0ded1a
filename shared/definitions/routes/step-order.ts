/** Which steps may be where in a route. Pure; steps as a parsed route has them. */
import { branchesOf, type RouteStep, stepKindOf } from './route-steps.ts';

export interface OrderFault {
  /** From the list of steps. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Steps that bring a file somewhere. */
const DELIVERIES = ['deliver', 'load', 'post', 'push', 'publish', 'mail'];

export function findOrderFaults(steps: readonly RouteStep[]): OrderFault[] {
  const kinds = steps.map(stepKindOf);
  return [
    ...confirmFaults(kinds),
    ...parseFaults(kinds),
    ...callFaults(kinds),
    ...callNameFaults(steps),
    ...conditionFaults(steps),
    ...steps.flatMap((step, index) => confirmFaultsInBranches(step, index, kinds.slice(0, index))),
  ];
}

/** Of the steps of one branch, but for what depends on the steps before it. */
export function findBranchFaults(steps: readonly RouteStep[]): OrderFault[] {
  return steps.flatMap((step, index): OrderFault[] => {
    const kind = stepKindOf(step);
    if (kind !== 'parse' && kind !== 'call') return [];
    return [
      {
        path: [index],
        message: `${kind} is not allowed in a branch; put parse and the calls in another route and run it`,
      },
    ];
  });
}

function confirmFaultsInBranches(step: RouteStep, index: number, before: readonly string[]): OrderFault[] {
  return branchesOf(step).flatMap(([name, inner]) =>
    confirmFaults([...before, ...inner.map(stepKindOf)])
      .map(({ path: [at], message }) => ({ nth: Number(at) - before.length, message }))
      .filter(({ nth }) => nth >= 0)
      .map(({ nth, message }) => ({ path: [index, 'parallel', 'branches', name, nth], message })),
  );
}

/** Calls are one step for the engine, and rows are read again by every call. */
function conditionFaults(steps: readonly RouteStep[]): OrderFault[] {
  return steps.flatMap((step, index): OrderFault[] => {
    const kind = stepKindOf(step);
    if (step.when === undefined || (kind !== 'parse' && kind !== 'call')) return [];
    return [
      {
        path: [index, 'when'],
        message: `${kind} takes no condition; put parse and the calls in another route and run it`,
      },
    ];
  });
}

function confirmFaults(kinds: readonly string[]): OrderFault[] {
  const first = kinds.indexOf('confirm');
  if (first < 0 || kinds.slice(0, first).some((kind) => DELIVERIES.includes(kind))) return [];
  return [{ path: [first], message: `confirm needs a delivery before it: ${DELIVERIES.join(', ')}` }];
}

function parseFaults(kinds: readonly string[]): OrderFault[] {
  const [first, ...more] = placesOf(kinds, 'parse');
  const repeated = more.map((index) => ({ path: [index], message: 'a route has one parse' }));
  if (first === undefined || kinds.includes('call')) return repeated;
  return [{ path: [first], message: 'parse needs a call after it: nothing else is done with records' }, ...repeated];
}

function callFaults(kinds: readonly string[]): OrderFault[] {
  const calls = placesOf(kinds, 'call');
  const [first] = calls;
  if (first === undefined) return [];
  const early: OrderFault[] = kinds.slice(0, first).includes('parse')
    ? []
    : [{ path: [first], message: 'call needs a parse before it' }];
  const gap = calls.find((index, nth) => index !== first + nth);
  if (gap === undefined) return early;
  return [...early, { path: [gap], message: 'calls must follow each other directly, with no other step between them' }];
}

function callNameFaults(steps: readonly RouteStep[]): OrderFault[] {
  const names = new Set<unknown>();
  return steps.flatMap(({ call }, index): OrderFault[] => {
    if (call === undefined) return [];
    const { name } = call as { readonly name: string };
    if (names.has(name)) {
      return [{ path: [index, 'call', 'name'], message: `two calls have the name ${name}; give one of them another` }];
    }
    names.add(name);
    return [];
  });
}

function placesOf(kinds: readonly string[], kind: string): number[] {
  return kinds.flatMap((each, index) => (each === kind ? [index] : []));
}
