/**
 * What a set of routes would do with a file: which take it, why others do not, and what each step would do. Pure: nothing of the file but its
 * path, size and time is known, so steps that look into it are only named.
 */
import { z } from 'zod';
import { classifyKey } from '#shared/arrival/classify-key.ts';
import type { ArrivalTenant } from '#shared/arrival/tenant-directory.ts';
import { LANES } from '#shared/definitions/lanes.ts';
import { type ChannelDefinition, kindOf } from '#shared/definitions/notify-schema.ts';
import { type FileToMatch, REFUSALS } from '#shared/definitions/routes/compile-match.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import { stepKindOf } from '#shared/definitions/routes/route-steps.ts';
import { decideRouting, type FileToRoute, fileToMatch } from '#shared/jobs/decide-routing.ts';
import type { ActiveRoute } from '#shared/jobs/new-job.ts';
import type { RoutingDecision } from '#shared/jobs/route-files.ts';
import type { BucketId } from '#shared/runtime/config/resource-names.ts';
import type { CallStepOptions } from '#shared/steps/call/options.ts';
import { deliveryTarget } from '#shared/steps/deliver/delivery-target.ts';
import type { DeliverOptions } from '#shared/steps/deliver/options.ts';
import { STEP_OPTIONS } from '#shared/steps/options-registry.ts';
import type { ParallelOptions } from '#shared/steps/parallel/options.ts';
import type { RunOptions } from '#shared/steps/run/options.ts';
import { nameAfter } from '#shared/steps/transform/name-after.ts';
import type { TransformOptions } from '#shared/steps/transform/options.ts';
import { checkNameAndSize } from '#shared/steps/validate/check-name-and-size.ts';
import type { ValidateOptions } from '#shared/steps/validate/options.ts';

export interface FileToSimulate
  extends Pick<FileToMatch, 'content' | 'tags' | 'region'>,
    Pick<FileToRoute, 'tenantId' | 'key' | 'sizeBytes' | 'source' | 'uploadedBy' | 'metadata'> {
  /** Null: it is made up. */
  readonly fileId: string | null;
  readonly receivedAt: Date;
  readonly isDuplicate: boolean;
  readonly isRenamed: boolean;
}

export interface SimulatedRoute extends ActiveRoute {
  /** Null: it is proposed. */
  readonly version: number | null;
  readonly isDisabled: boolean;
  readonly channels: readonly ChannelDefinition[];
}

export interface SimulatedTenant extends ArrivalTenant, Pick<FileToRoute, 'timeZone' | 'homeRegion' | 'priority'> {
  readonly channels: readonly ChannelDefinition[];
}

/** Of one tenant. */
export interface RuleSet {
  readonly tenant: SimulatedTenant;
  readonly routes: readonly SimulatedRoute[];
  /** Names of routes that cannot be read. */
  readonly unreadable: readonly string[];
  /** Method and URL by `<partner> <operation>`. */
  readonly operations: ReadonlyMap<string, string>;
}

export interface SimulationLimits {
  readonly largeFileThresholdBytes: number;
  /** Of this fleet. */
  readonly region: string;
  readonly homeRegions?: readonly string[] | undefined;
  readonly bucketNames: Readonly<Record<BucketId, string>>;
}

const stepSchema = z.object({
  kind: z.string(),
  class: z
    .enum(['short', 'long'])
    .describe('Short ones run in the partner-worker, long ones in the large-file-worker.'),
  would: z.string(),
  fails: z.boolean().describe('It is the last one then.'),
  output: z.string().nullable().describe('Where the step writes, or the new name.'),
});

export const routeAnswerSchema = z
  .object({
    route: z.string(),
    version: z.number().nullable().describe('Null: as proposed.'),
    takes: z.boolean(),
    because: z.string(),
    held: z.boolean().describe('It would wait for a person before its first step.'),
    lane: z.enum(LANES).nullable().describe('Of its short steps; null where it does not take the file.'),
    starts_at: z.string().nullable().describe('When its quiet hours begin; null: at once.'),
    joins_batch: z.boolean().describe('It waits with other files until its batch closes.'),
    order_group: z.string().nullable().describe('Files of one group go one after the other.'),
    notifies: z.array(z.object({ channel: z.string(), kind: z.string(), on: z.array(z.string()) })),
    steps: z.array(stepSchema),
  })
  .meta({ id: 'SimulatedRoute' });
type RouteAnswer = z.infer<typeof routeAnswerSchema>;

export interface Simulated {
  readonly outcome: 'routed' | 'companion' | 'elsewhere' | 'quarantined' | 'ignored';
  readonly error: { readonly code: string; readonly cause: string; readonly message: string } | null;
  readonly isLarge: boolean;
  /** All of them. */
  readonly routes: readonly RouteAnswer[];
}

export function simulateFile(file: FileToSimulate, rules: RuleSet, limits: SimulationLimits): Simulated {
  const classified = classifyKey(file.key, new Map([[rules.tenant.id, rules.tenant]]));
  const isLarge = file.sizeBytes > limits.largeFileThresholdBytes;
  if (classified.type === 'ignored') return { outcome: 'ignored', error: null, isLarge, routes: [] };
  if (classified.error !== undefined) return { outcome: 'quarantined', error: classified.error, isLarge, routes: [] };
  const active = rules.routes.filter(({ isDisabled }) => !isDisabled);
  const toRoute = routable(file, rules.tenant);
  const decision = decideRouting(toRoute, active, { ...limits, nowMs: file.receivedAt.getTime() });
  const jobs = new Map(decision.jobs.map((job) => [job.routeVersionId, job]));
  const answers = rules.routes.map((route) => {
    const job = jobs.get(route.routeVersionId);
    const takes = job !== undefined;
    return {
      route: route.route.name,
      version: route.version,
      takes,
      because: takes ? 'it matches' : refusalOf(route, fileToMatch(toRoute)),
      lane: job?.lane ?? null,
      starts_at: job?.startAt?.toISOString() ?? null,
      joins_batch: job?.batch !== undefined,
      held: takes && route.route.holds({ ...file, isLarge }),
      order_group: takes && route.route.ordered ? file.key.slice(0, file.key.lastIndexOf('/') + 1) : null,
      notifies: takes ? [...route.channels, ...rules.tenant.channels].map(toChannel) : [],
      steps: takes ? simulateSteps(file, route.route, isLarge, rules, limits) : [],
    };
  });
  const unreadable = rules.unreadable.map((name) => ({ ...NOT_TAKEN, route: name, because: 'it cannot be read' }));
  return { outcome: outcomeOf(decision), error: decision.error ?? null, isLarge, routes: [...answers, ...unreadable] };
}

function outcomeOf({ jobs, companionOf, isForOtherRegion }: RoutingDecision): Simulated['outcome'] {
  if (jobs.length > 0) return 'routed';
  if (isForOtherRegion) return 'elsewhere';
  return companionOf === undefined ? 'quarantined' : 'companion';
}

/** As the router is given it. */
export function routable(
  file: FileToSimulate,
  { timeZone, homeRegion, priority }: Pick<SimulatedTenant, 'timeZone' | 'homeRegion' | 'priority'>,
): FileToRoute {
  return { ...file, fileId: file.fileId ?? NO_ID, uploadedAt: file.receivedAt, timeZone, homeRegion, priority };
}

const NO_ID = '00000000-0000-0000-0000-000000000000';
const NOT_TAKEN = {
  ...{ version: null, takes: false, held: false, lane: null, starts_at: null, joins_batch: false },
  ...{ order_group: null, notifies: [], steps: [] },
};

function refusalOf({ route, isDisabled }: SimulatedRoute, file: FileToMatch): string {
  if (isDisabled) return 'the route is disabled';
  const refusal = route.refuses(file);
  if (refusal !== undefined) return REFUSALS[refusal];
  return 'it is the marker or the checksum of another file of this route';
}

function toChannel(channel: ChannelDefinition) {
  return { channel: channel.name, kind: kindOf(channel), on: [...channel.on] };
}

interface SimulatedStep {
  readonly file: FileToSimulate;
  readonly route: CompiledRoute;
  readonly rules: RuleSet;
  readonly limits: SimulationLimits;
  /** The job's object as it is now: its key, or its name after a transform. */
  readonly key: string;
}

type StepEffect = Pick<RouteAnswer['steps'][number], 'would'> & {
  readonly fails?: boolean;
  readonly output?: string;
  readonly renames?: boolean;
};

function simulateSteps(
  file: FileToSimulate,
  route: CompiledRoute,
  isLarge: boolean,
  rules: RuleSet,
  limits: SimulationLimits,
): RouteAnswer['steps'] {
  const steps: RouteAnswer['steps'] = [];
  let key = file.key;
  for (const step of route.steps) {
    const {
      would,
      fails = false,
      output = null,
      renames = false,
    } = describeStep(step.kind, step.options, { file, route, rules, limits, key });
    const condition = step.when === undefined ? '' : ', if its condition holds then';
    steps.push({ kind: step.kind, class: step.classOf(isLarge), would: `${would}${condition}`, fails, output });
    if (fails) break;
    if (renames && output !== null) key = `${key.slice(0, key.lastIndexOf('/') + 1)}${output}`;
  }
  return steps;
}

function describeStep(kind: string, options: unknown, step: SimulatedStep): StepEffect {
  switch (kind) {
    case 'validate':
      return describeValidate(options as ValidateOptions, step);
    case 'stage':
      return { would: 'continue with its own copy' };
    case 'transform':
      return describeTransform(options as TransformOptions, step);
    case 'parse':
      return { would: `make a record of each row, as ${step.route.records?.format ?? 'its layout says'}` };
    case 'call':
      return { would: describeCalls(options as CallStepOptions, step.rules) };
    case 'deliver':
      return describeDeliver(options as DeliverOptions, step);
    case 'confirm':
      return { would: 'verify the delivered object' };
    case 'parallel':
      return { would: describeBranches(options as ParallelOptions) };
    case 'run':
      return { would: `run the route ${(options as RunOptions).route} below this one, and wait for it` };
    default:
      return describeOther(kind, options, step);
  }
}

function describeOther(kind: string, options: unknown, { file, key }: SimulatedStep): StepEffect {
  const known = STEP_OPTIONS.find((candidate) => candidate.kind === kind);
  const effect = known?.simulate?.(options, { name: nameIn(key), sizeBytes: file.sizeBytes });
  if (effect === undefined) return { would: `run ${kind}` };
  const { would, fails, name } = effect;
  return { would, ...(fails !== undefined && { fails }), ...(name !== undefined && { output: name, renames: true }) };
}

function describeBranches({ branches, join }: ParallelOptions): string {
  const each = Object.entries(branches).map(([name, steps]) => `${name} (${steps.map(stepKindOf).join(', ')})`);
  const until = join === 'all' ? 'all have ended' : 'one has succeeded';
  return `run side by side ${each.join(' and ')}, until ${until}`;
}

function describeValidate(options: ValidateOptions, { file, key }: SimulatedStep): StepEffect {
  const fault = checkNameAndSize({ options, file: { name: nameIn(key) }, object: file });
  if (fault !== undefined) return { would: `fail with ${fault.code} ${fault.cause}: ${fault.message}`, fails: true };
  const later = [
    options.marker && `wait for ${nameIn(key)}${options.marker.suffix}`,
    options.checksumSidecar && `compare with ${nameIn(key)}${options.checksumSidecar.suffix}`,
    options.csv && 'check its rows',
  ].filter((part) => part !== undefined);
  return { would: ['accept its name and size', ...later].join(', ') };
}

function describeTransform(options: TransformOptions, step: SimulatedStep): StepEffect {
  const name = nameAfter({ options, ...contextOf(step) });
  if (!name.ok) return { would: `fail with TRANSFORM_ERROR KEY_REJECTED: ${name.message}`, fails: true };
  const operations = options.ops.map((operation) => Object.keys(operation)[0]).join(', ');
  return { would: `${operations}: continue as ${name.key}`, output: name.key, renames: true };
}

function describeCalls({ calls }: CallStepOptions, { operations }: RuleSet): string {
  const each = calls.map(({ partner, operation }) => {
    const request = operations.get(`${partner} ${operation}`);
    return `${partner} ${operation} (${request ?? 'which is not defined'})`;
  });
  return `for each record call ${each.join(', then ')}`;
}

function describeDeliver(options: DeliverOptions, step: SimulatedStep): StepEffect {
  const target = deliveryTarget({ options, ...contextOf(step), bucketNames: step.limits.bucketNames });
  if (!target.ok) return { would: `fail with DELIVERY_ERROR KEY_REJECTED: ${target.message}`, fails: true };
  const at = options.store === undefined ? '' : ` at the store ${options.store}`;
  return { would: `copy it to ${target.bucket}/${target.key}${at}`, output: `${target.bucket}/${target.key}` };
}

/** As steps are given it; ids of what does not exist yet are zeros. */
function contextOf({ file, route, rules, key }: SimulatedStep) {
  const { fileId, tenantId, sizeBytes, receivedAt } = file;
  const { timeZone } = rules.tenant;
  return {
    file: { id: fileId ?? NO_ID, tenantId, key: file.key, name: nameIn(file.key), sizeBytes, receivedAt, timeZone },
    job: { id: NO_ID, routeName: route.name },
    object: { key },
  };
}

function nameIn(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
