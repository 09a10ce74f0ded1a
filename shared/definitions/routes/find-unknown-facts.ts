/** Facts that templates and conditions name, and that no `enrich` of the route finds: a misspelt one would be empty for every file. Pure. */
import { everyStep, type RouteStep } from './route-steps.ts';

export interface UnknownFact {
  readonly name: string;
  /** Of the step, from the route. */
  readonly path: readonly (string | number)[];
}

const IN_TEMPLATE = /\{[{%](?:(?![}%]\}).)*?\bfacts\.([A-Za-z]\w*)/gs;
const IN_CONDITION = /\bsteps\.enrich\.([A-Za-z]\w*)/g;

export function findUnknownFacts(steps: readonly RouteStep[]): UnknownFact[] {
  const all = everyStep(steps);
  const known = new Set(all.flatMap(({ step }) => Object.keys((step.enrich as { facts?: object })?.facts ?? {})));
  return all.flatMap(({ step, path }) => {
    // Branches are their own steps here.
    const { parallel: _branches, when, ...options } = step;
    const named = [
      ...[...JSON.stringify(options).matchAll(IN_TEMPLATE)].map(([, name]) => name as string),
      ...[...String(when ?? '').matchAll(IN_CONDITION)].map(([, name]) => name as string),
    ];
    return [...new Set(named)].filter((name) => !known.has(name)).map((name) => ({ name, path }));
  });
}
