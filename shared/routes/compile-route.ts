/** A stored route definition, ready to be asked: does it take this file, and what is done with it? */
import { LongshoreError } from '#shared/errors.ts';
import { STEP_OPTIONS } from '#shared/steps/options-registry.ts';
import type { StepClass } from '#shared/steps/step-context.ts';
import { compileGlobs } from './match-glob.ts';
import type { RetryPolicy } from './retry-delay.ts';
import { routeDocumentSchema } from './route-schema.ts';

export interface CompiledStep {
  /** From 0, as in `job_steps`. */
  readonly seq: number;
  readonly kind: string;
  readonly options: unknown;
  classOf(isLarge: boolean): StepClass;
}

export interface CompiledRoute {
  readonly tenantId: string;
  readonly name: string;
  /** `relativePath`: in the tenant's home, without the tenant's prefix. */
  matches(relativePath: string, sizeBytes: number): boolean;
  /** The path alone: tells apart why a file does not match. */
  takesPath(relativePath: string): boolean;
  /** True for a marker or a checksum sidecar of a file that this route takes: it is no file to be carried by itself. */
  isCompanion(relativePath: string): boolean;
  readonly ordered: boolean;
  readonly onHeadFailure: 'block' | 'skip';
  readonly retry: RetryPolicy;
  readonly steps: readonly CompiledStep[];
}

/** @throws LongshoreError `ROUTE_INVALID` when the definition is none, e.g. written by hand or by a newer version. */
export function compileRoute(definition: unknown): CompiledRoute {
  const parsed = routeDocumentSchema.safeParse(definition);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new LongshoreError('ROUTE_INVALID', `The stored route definition is invalid: ${faults.join('; ')}`);
  }
  const { tenant, name, match, acceptEmpty, ordered, onHeadFailure, retry } = parsed.data;
  const isTaken = compileGlobs(match.path);
  const isExcluded = compileGlobs(match.exclude);
  const takesPath = (path: string): boolean => isTaken(path) && !isExcluded(path);
  const steps = parsed.data.steps.map(compileStep);
  const suffixes = new Set(steps.flatMap((step) => step.companionSuffixes));
  return {
    tenantId: tenant,
    name,
    matches: (relativePath, sizeBytes) =>
      (sizeBytes > 0 || acceptEmpty) &&
      sizeBytes >= (match.minSize ?? 0) &&
      sizeBytes <= (match.maxSize ?? Number.POSITIVE_INFINITY) &&
      takesPath(relativePath),
    takesPath,
    isCompanion: (relativePath) =>
      [...suffixes].some((suffix) => relativePath.endsWith(suffix) && takesPath(relativePath.slice(0, -suffix.length))),
    ordered,
    onHeadFailure,
    retry,
    steps,
  };
}

function compileStep(
  step: Readonly<Record<string, unknown>>,
  index: number,
): CompiledStep & { companionSuffixes: readonly string[] } {
  const [kind = '', options] = Object.entries(step)[0] ?? [];
  const known = STEP_OPTIONS.find((candidate) => candidate.kind === kind);
  if (known === undefined) throw new LongshoreError('ROUTE_INVALID', `The step kind "${kind}" is unknown.`);
  return {
    seq: index,
    kind,
    options,
    classOf: (isLarge) => known.classOf(options, isLarge),
    companionSuffixes: known.companionSuffixes?.(options) ?? [],
  };
}
