/** Steps as a route has them: one key, the kind, with its options, and `when` next to it. */

export type RouteStep = Readonly<Record<string, unknown>>;

export interface PlacedStep {
  readonly step: RouteStep;
  /** From the route. */
  readonly path: readonly (string | number)[];
}

export function stepKindOf(step: RouteStep): string {
  return Object.keys(step).find((key) => key !== 'when') ?? '';
}

/** With those of branches. What is not a step is passed over, so that definitions of other versions can be asked. */
export function everyStep(steps: readonly RouteStep[]): PlacedStep[] {
  return steps.flatMap((step, index) => {
    const placed: PlacedStep = { step, path: ['steps', index] };
    return [
      placed,
      ...branchesOf(step).flatMap(([name, inner]) =>
        inner.map((each, nth) => ({ step: each, path: ['steps', index, 'parallel', 'branches', name, nth] })),
      ),
    ];
  });
}

export function branchesOf({ parallel }: RouteStep): [name: string, steps: readonly RouteStep[]][] {
  const { branches } = (parallel ?? {}) as { readonly branches?: unknown };
  if (typeof branches !== 'object' || branches === null) return [];
  return Object.entries(branches).filter((entry): entry is [string, RouteStep[]] => Array.isArray(entry[1]));
}
