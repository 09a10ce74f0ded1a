/** A stored route definition, ready to be asked: does it take this file, and what is done with it? */
import { z } from 'zod';
import type { Lane } from '#shared/definitions/lanes.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { CallOptions, CallStepOptions, CompiledCall } from '#shared/steps/call/options.ts';
import { STEP_OPTIONS } from '#shared/steps/options-registry.ts';
import type { StepClass } from '#shared/steps/step-context.ts';
import type { BatchRule } from './batch-schema.ts';
import {
  type CompiledMatch,
  compileMatch,
  compilePaths,
  type FileToMatch,
  msUntilHours,
  type Refusal,
} from './compile-match.ts';
import { compileGlobs } from './match-glob.ts';
import { matchSchema } from './match-schema.ts';
import type { RecordsLayout } from './records-schema.ts';
import type { RetryPolicy } from './retry-delay.ts';
import { type RouteDocument, routeDocumentSchema } from './route-schema.ts';
import { branchesOf, type RouteStep, stepKindOf } from './route-steps.ts';
import { type ConditionFacts, compileCondition } from './step-condition.ts';

export interface CompiledStep {
  /** From 0, as in `job_steps`. */
  readonly seq: number;
  readonly kind: string;
  readonly options: unknown;
  classOf(isLarge: boolean): StepClass;
  /** Whether it is run at all; undefined: always. */
  readonly when?: ((facts: ConditionFacts) => boolean) | undefined;
}

export interface CompiledRoute {
  readonly tenantId: string;
  readonly name: string;
  /** False: it takes no file on its own, other routes run it. */
  readonly takesFiles: boolean;
  /** Whether `refuses` may ask for the content or the tags of a file. */
  readonly readsObject: boolean;
  /** Why it does not match; undefined when it does. */
  refuses(file: FileToMatch): Refusal | undefined;
  /** The path alone: tells apart why a file does not match. */
  takesPath(relativePath: string): boolean;
  /** True for a marker or a checksum sidecar of a file that this route takes: it is not a file to be processed on its own. */
  isCompanion(relativePath: string): boolean;
  /** Undefined: each file on its own. */
  readonly batch: BatchRule | undefined;
  /** True for a file that names those of a batch. */
  isManifest(relativePath: string): boolean;
  readonly ordered: boolean;
  /** The tenant's when undefined. */
  readonly priority: Lane | undefined;
  /** When a job of now may begin, by the clock of a time zone. */
  opensAt(nowMs: number, timeZone: string): number;
  readonly onHeadFailure: 'block' | 'skip';
  /** Whether a file waits for a person before its first step. */
  holds(file: { readonly isLarge: boolean; readonly isDuplicate: boolean; readonly isRenamed: boolean }): boolean;
  readonly retry: RetryPolicy;
  /** How often a failed record is retried, at the call that failed. */
  readonly maxSweeps: number;
  /** Undefined when files are processed whole. */
  readonly records: RecordsLayout | undefined;
  /** Share of the accepted records, above 0: when as many did not succeed, the job fails. */
  readonly failJobAt: number;
  /** What every record walks through; empty without `records`. */
  readonly calls: readonly CompiledCall[];
  /** The job's: all calls are one of them. */
  readonly steps: readonly CompiledStep[];
  /** Of the step `parallel` at `seq`: each branch as its own route, which waits for nobody. */
  branchesAt(seq: number): ReadonlyMap<string, CompiledRoute>;
}

/** @throws LongshoreError `ROUTE_INVALID` when the definition is none, e.g. written by hand or by a newer version. */
export function compileRoute(definition: unknown): CompiledRoute {
  const parsed = parseStored(definition);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new LongshoreError('ROUTE_INVALID', `The stored route definition is invalid: ${faults.join('; ')}`);
  }
  const {
    tenant,
    name,
    match,
    acceptEmpty,
    ordered,
    onHeadFailure,
    hold,
    duplicates,
    records,
    priority,
    quietHours,
    batch,
  } = parsed.data;
  const { maxSweeps, ...retry } = parsed.data.retry;
  const { readsObject, refuses, takesPath } = match === undefined ? NO_MATCH : compileMatch(match, acceptEmpty);
  const calls = callsOf(parsed.data);
  const grouped = groupCalls(parsed.data.steps, calls);
  const steps = grouped.map(compileStep);
  const branches = grouped.map((step) =>
    branchesOf(step).map(([name, inner]) => ({ name, steps: inner.map(compileStep) })),
  );
  const inBranches = branches.flat().flatMap((branch) => branch.steps);
  const suffixes = new Set([...steps, ...inBranches].flatMap((step) => step.companionSuffixes));
  const isManifest = batch?.manifest === undefined ? () => false : compileGlobs(batch.manifest);
  const whole: Omit<CompiledRoute, 'branchesAt'> = {
    tenantId: tenant,
    name,
    takesFiles: match !== undefined,
    readsObject,
    refuses,
    takesPath,
    isCompanion: (relativePath) =>
      isManifest(relativePath) ||
      [...suffixes].some((suffix) => relativePath.endsWith(suffix) && takesPath(relativePath.slice(0, -suffix.length))),
    batch,
    isManifest,
    ordered,
    priority,
    opensAt: (nowMs, timeZone) => nowMs + msUntilQuiet(quietHours, nowMs, timeZone),
    onHeadFailure,
    holds: ({ isLarge, isDuplicate, isRenamed }) => {
      const isFlagged = isDuplicate && (duplicates === 'any' || isRenamed);
      return hold === 'always' || (isLarge && hold.includes('large')) || (isFlagged && hold.includes('flagged'));
    },
    retry,
    maxSweeps,
    records,
    failJobAt: records?.failJobAt ?? 1,
    calls,
    steps,
  };
  const inBranch = {
    ...whole,
    calls: [],
    batch: undefined,
    ordered: false,
    holds: () => false,
    branchesAt: () => NO_BRANCHES,
  };
  const branchesBySeq = branches.map(
    (each) =>
      new Map(
        each.map(({ name: branch, steps: own }): [string, CompiledRoute] => [branch, { ...inBranch, steps: own }]),
      ),
  );
  return { ...whole, branchesAt: (seq) => branchesBySeq[seq] ?? NO_BRANCHES };
}

/** 0 without quiet hours, and within them. */
function msUntilQuiet(hours: RouteDocument['quietHours'], nowMs: number, timeZone: string): number {
  return hours === undefined ? 0 : Math.min(...hours.map((each) => msUntilHours(each, nowMs, timeZone)));
}

const NO_BRANCHES: ReadonlyMap<string, CompiledRoute> = new Map();

const NO_MATCH: CompiledMatch = { readsObject: false, refuses: () => 'no match', takesPath: () => false };

/** Earlier versions took a `maxRecordBytes` of up to 16 MiB: such a route continues with the longest that this one takes. */
function parseStored(definition: unknown): ReturnType<typeof routeDocumentSchema.safeParse> {
  const parsed = routeDocumentSchema.safeParse(definition);
  const tooLong = parsed.error?.issues.filter(
    (issue) => issue.code === 'too_big' && issue.path.at(-1) === 'maxRecordBytes',
  );
  if (tooLong === undefined || tooLong.length === 0) return parsed;
  const lowered: unknown = structuredClone(definition);
  for (const { path, maximum } of tooLong as { path: PropertyKey[]; maximum: number }[]) {
    const parent = path.slice(0, -1).reduce((value, key) => (value as Record<PropertyKey, unknown>)[key], lowered);
    (parent as { maxRecordBytes: number }).maxRecordBytes = maximum;
  }
  return routeDocumentSchema.safeParse(lowered);
}

/** Of a definition that cannot be compiled, e.g. one of a newer version: which paths it takes, where that much can be read. */
export function pathsTakenBy(definition: unknown): CompiledRoute['takesPath'] | undefined {
  const parsed = z.looseObject({ match: matchSchema }).safeParse(definition);
  if (!parsed.success) return undefined;
  const { isTaken, isExcluded } = compilePaths(parsed.data.match);
  return (path) => isTaken(path) && !isExcluded(path);
}

const KINDS: ReadonlySet<string> = new Set(STEP_OPTIONS.map(({ kind }) => kind));

function conditionOf(source: string): (facts: ConditionFacts) => boolean {
  const condition = compileCondition(source, KINDS);
  if (!condition.ok) throw new LongshoreError('ROUTE_INVALID', `A condition is invalid: ${condition.message}`);
  return condition.holds;
}

function callsOf({ steps }: { readonly steps: readonly RouteStep[] }): CompiledCall[] {
  const calls = steps.flatMap((step) => (step.call === undefined ? [] : [step.call as CallOptions]));
  return calls.map((call, seq) => ({ ...call, seq }));
}

/** Calls are together, which the schema holds; the first makes room for all. */
function groupCalls(steps: readonly RouteStep[], calls: readonly CompiledCall[]): RouteStep[] {
  const first = steps.findIndex((step) => Object.hasOwn(step, 'call'));
  if (first < 0) return [...steps];
  const all: CallStepOptions = { calls };
  return [...steps.slice(0, first), { call: all }, ...steps.slice(first + calls.length)];
}

function compileStep(step: RouteStep, index: number): CompiledStep & { companionSuffixes: readonly string[] } {
  const kind = stepKindOf(step);
  const options = step[kind];
  const known = STEP_OPTIONS.find((candidate) => candidate.kind === kind);
  if (known === undefined) throw new LongshoreError('ROUTE_INVALID', `The step kind "${kind}" is unknown.`);
  return {
    seq: index,
    kind,
    options,
    classOf: (isLarge) => known.classOf(options, isLarge),
    ...(typeof step.when === 'string' && { when: conditionOf(step.when) }),
    companionSuffixes: known.companionSuffixes?.(options) ?? [],
  };
}
