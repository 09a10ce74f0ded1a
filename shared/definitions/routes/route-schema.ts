/**
 * What a route file may say: tenants, their partners, external stores and routes, one YAML document each.
 *
 * 1. Unknown keys are faults: a misspelt option must not be passed over in silence.
 * 2. Parsing a parsed definition changes nothing. Stored versions hold the defaults of their day, and are parsed again on use.
 */
import { z } from 'zod';
import { type CalendarDocument, calendarDocumentSchema } from '#shared/definitions/calendar-schema.ts';
import { type DatabaseDocument, databaseDocumentSchema } from '#shared/definitions/database-schema.ts';
import { durationSchema } from '#shared/definitions/duration.ts';
import { type ExpectationDocument, expectationDocumentSchema } from '#shared/definitions/expectation-schema.ts';
import { LANES } from '#shared/definitions/lanes.ts';
import { idSchema, regionSchema, tenantIdSchema, timeZoneSchema } from '#shared/definitions/name-schemas.ts';
import { notifySchema } from '#shared/definitions/notify-schema.ts';
import { type PartnerDocument, partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { portalSchema } from '#shared/definitions/portal-schema.ts';
import { type RemoteDocument, remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { retentionSchema } from '#shared/definitions/retention-schema.ts';
import { type SenderDocument, senderDocumentSchema } from '#shared/definitions/sender-schema.ts';
import { tenantSignInSchema } from '#shared/definitions/sign-in-schema.ts';
import { type SourceDocument, sourceDocumentSchema } from '#shared/definitions/source-schema.ts';
import { sshPublicKeySchema } from '#shared/definitions/ssh-public-key.ts';
import { type StoreDocument, storeDocumentSchema } from '#shared/definitions/store-schema.ts';
import { STEP_OPTIONS } from '#shared/steps/options-registry.ts';
import { parallelOptions, parallelSchema } from '#shared/steps/parallel/options.ts';
import type { StepOptionsKind } from '#shared/steps/step-options.ts';
import { batchSchema } from './batch-schema.ts';
import { findUnknownFacts } from './find-unknown-facts.ts';
import { globSchema } from './glob-schema.ts';
import { hoursSchema, matchSchema } from './match-schema.ts';
import { type RecordsLayout, recordsSchema } from './records-schema.ts';
import { everyStep, type RouteStep, stepKindOf } from './route-steps.ts';
import { compileCondition } from './step-condition.ts';
import { findBranchFaults, findOrderFaults, type OrderFault } from './step-order.ts';

const prioritySchema = z.enum(LANES);

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const retrySchema = z
  .strictObject({
    /** Tries of one step. */
    maxAttempts: z.int().min(1).max(100).default(3),
    /** Of a record that a call failed: how often it is retried, at that call. */
    maxSweeps: z.int().min(0).max(100).default(3),
    firstDelay: durationSchema({ minMs: 0, maxMs: DAY_MS }).default(2_000),
    factor: z.number().min(1).max(10).default(2),
    maxDelay: durationSchema({ minMs: 0, maxMs: 7 * DAY_MS }).default(15 * MINUTE_MS),
    jitter: z.enum(['full', 'none']).default('full'),
  })
  .refine(({ firstDelay, maxDelay }) => firstDelay <= maxDelay, {
    error: 'firstDelay is greater than maxDelay',
    path: ['firstDelay'],
  });

/** `flagged`: the same content came before, as far as `duplicates` counts it. */
const holdSchema = z.union([
  z.enum(['never', 'large', 'flagged', 'always']),
  z
    .array(z.enum(['large', 'flagged']))
    .min(1)
    .max(2),
]);

const stepKinds = STEP_OPTIONS.map(({ kind }) => kind);
const knownKinds: ReadonlySet<string> = new Set(stepKinds);

/** Whether the step is run, by the file and by the steps before it. */
const whenSchema = z
  .string()
  .min(1)
  .superRefine((source, context) => {
    const condition = compileCondition(source, knownKinds);
    if (!condition.ok) context.addIssue({ code: 'custom', message: condition.message });
  });

/** One key, the kind, with its options, and `when`; `confirm:` alone, which YAML reads as null, has none. */
function stepSchemaOf(kinds: readonly Pick<StepOptionsKind<unknown>, 'kind' | 'schema'>[]) {
  return z
    .strictObject(
      {
        ...Object.fromEntries(
          kinds.map(({ kind, schema }) => [
            kind,
            z.preprocess((value) => (value === null ? {} : value), schema).optional(),
          ]),
        ),
        when: whenSchema.optional(),
      },
      {
        error: (issue) =>
          issue.code === 'unrecognized_keys'
            ? `unknown step kind ${issue.keys.map((key) => `"${key}"`).join(', ')}; known are ${kinds.map(({ kind }) => kind).join(', ')}`
            : undefined,
      },
    )
    .refine((step) => Object.keys(step).filter((key) => key !== 'when').length === 1, {
      error: `a step has exactly one key, its kind: ${kinds.map(({ kind }) => kind).join(', ')}`,
    });
}

function stepsSchemaOf<Step extends z.ZodType<RouteStep>>(
  step: Step,
  most: number,
  faultsIn: (steps: readonly RouteStep[]) => OrderFault[],
) {
  return z
    .array(step)
    .min(1)
    .max(most)
    .superRefine((steps, context) => {
      for (const { path, message } of faultsIn(steps)) context.addIssue({ code: 'custom', path: [...path], message });
    });
}

const branchStepsSchema = stepsSchemaOf(
  stepSchemaOf(STEP_OPTIONS.filter(({ kind }) => kind !== parallelOptions.kind)),
  20,
  findBranchFaults,
);
const parallelKind = { kind: parallelOptions.kind, schema: parallelSchema(branchStepsSchema) };
const stepSchema = stepSchemaOf(STEP_OPTIONS.map((known) => (known.kind === parallelKind.kind ? parallelKind : known)));

const keyTimeSchema = z.iso.datetime({ offset: true, error: 'must be a time such as 2026-01-31T08:00:00Z' });

/** A key that may log in for some time only. */
const datedKeySchema = z
  .strictObject({ key: sshPublicKeySchema, validFrom: keyTimeSchema.optional(), validUntil: keyTimeSchema.optional() })
  .refine(
    ({ validFrom, validUntil }) =>
      validFrom === undefined || validUntil === undefined || Date.parse(validFrom) < Date.parse(validUntil),
    {
      error: 'must be after validFrom',
      path: ['validUntil'],
    },
  );

export const tenantDocumentSchema = z.strictObject({
  kind: z.literal('tenant'),
  id: tenantIdSchema,
  name: z.string().min(1).max(200),
  timeZone: timeZoneSchema.default('UTC'),
  /** Whose fleet carries its files, where fleets say whose they carry. */
  homeRegion: regionSchema.default('us-east-1'),
  /** Of its routes that say none. */
  priority: prioritySchema.default('standard'),
  /** Globs of names (without a directory) that wait for their rename. */
  ignore: z.array(globSchema).max(50).default(['*.part', '*.tmp', '*.filepart', '.*']),
  sftpUsers: z
    .array(
      z
        .strictObject({
          username: z
            .string()
            .regex(/^[A-Za-z0-9_][A-Za-z0-9_@.-]{2,99}$/, 'must be 3 to 100 letters, digits, "_", "-", "@" and "."'),
          /** OpenSSH form; on one machine a pair of keys is made when there is none. */
          publicKey: sshPublicKeySchema.optional(),
          /** Several, so that one can be replaced without a gap. */
          publicKeys: z
            .array(z.union([sshPublicKeySchema, datedKeySchema]))
            .min(1)
            .max(10)
            .optional(),
        })
        .refine(({ publicKey, publicKeys }) => publicKey === undefined || publicKeys === undefined, {
          error: 'has publicKey and publicKeys; give one of them',
          path: ['publicKeys'],
        }),
    )
    .max(100)
    .superRefine((users, context) => {
      const names = new Set<string>();
      for (const [index, { username }] of users.entries()) {
        if (names.has(username))
          context.addIssue({ code: 'custom', path: [index, 'username'], message: `${username} is there twice` });
        names.add(username);
      }
    })
    .default([]),
  /** How its people sign in to the portal; by mail when absent. */
  signIn: tenantSignInSchema.optional(),
  /** How the portal looks for its people; like Longshore's when absent. */
  portal: portalSchema.optional(),
  /** Whom to tell of what, of all of the tenant's files. */
  notify: notifySchema.default([]),
  /** For how long finished files are kept, where their route says nothing else. */
  retention: retentionSchema.optional(),
});
export type TenantDocument = z.infer<typeof tenantDocumentSchema>;

export interface DeclaredKey {
  readonly key: string;
  readonly validFrom?: string | undefined;
  readonly validUntil?: string | undefined;
}

/** None when the file names no key. */
export function declaredKeysOf({ publicKey, publicKeys }: TenantDocument['sftpUsers'][number]): readonly DeclaredKey[] {
  const given = publicKeys ?? (publicKey === undefined ? [] : [publicKey]);
  return given.map((key) => (typeof key === 'string' ? { key } : key));
}

/** Whatever their times. */
export function publicKeysOf(user: TenantDocument['sftpUsers'][number]): readonly string[] {
  return declaredKeysOf(user).map(({ key }) => key);
}

export const routeDocumentSchema = z
  .strictObject({
    kind: z.literal('route'),
    tenant: idSchema,
    name: idSchema,
    description: z.string().max(500).optional(),
    /** Absent where the route says `runOnly`. */
    match: matchSchema.optional(),
    /** The route takes no file on its own: other routes `run` it. */
    runOnly: z.boolean().optional(),
    acceptEmpty: z.boolean().default(true),
    /** Whose lane its short steps go in; the tenant's when absent. */
    priority: prioritySchema.optional(),
    /** When its jobs begin, by the clock of the tenant's time zone: within one of these. Others wait for the next. */
    quietHours: z.array(hoursSchema).min(1).max(20).optional(),
    /** Which of its files are taken together. */
    batch: batchSchema.optional(),
    ordered: z.boolean().default(false),
    /** On an ordered route: whether a failed file holds back those after it. */
    onHeadFailure: z.enum(['block', 'skip']).default('block'),
    /** Whose files wait for a person before their first step. */
    hold: holdSchema.default('never'),
    /** Which files are flagged for having the content of an earlier one: all, or only those under another name. */
    duplicates: z.enum(['any', 'renamed']).default('any'),
    retry: retrySchema.default(() => retrySchema.parse({})),
    /** Whom to tell of what, of this route's files. */
    notify: notifySchema.default([]),
    /** For how long finished files are kept; of a file on several routes, the longest. */
    retention: retentionSchema.optional(),
    /** How records are laid out in the file, for `parse` and the calls after it. */
    records: recordsSchema.optional(),
    steps: stepsSchemaOf(stepSchema, 50, findOrderFaults),
  })
  .superRefine(({ match, runOnly, batch, ordered, quietHours, records, steps }, context) => {
    const besides = [
      [ordered, 'ordered: a batch takes its files side by side'],
      [quietHours !== undefined, 'quietHours: a batch begins when it closes, e.g. with `until`'],
      [runOnly, 'runOnly: only files that arrive join a batch'],
    ] as const;
    for (const [isThere, message] of besides)
      if (batch !== undefined && isThere)
        context.addIssue({ code: 'custom', path: ['batch'], message: `batch does not go with ${message}` });
    if (match === undefined && runOnly !== true)
      context.addIssue({
        code: 'custom',
        path: ['match'],
        message: 'a route needs match, unless only other routes run it: runOnly: true',
      });
    if (match !== undefined && runOnly === true)
      context.addIssue({
        code: 'custom',
        path: ['runOnly'],
        message: 'a route with match takes files already; leave one of the two out',
      });
    const parse = steps.findIndex((step) => Object.hasOwn(step, 'parse'));
    if (parse >= 0 && records === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['steps', parse],
        message: 'parse needs a section `records` in the route',
      });
    }
    // What only other routes run may use the facts of those.
    if (match !== undefined)
      for (const { name, path } of findUnknownFacts(steps))
        context.addIssue({ code: 'custom', path: [...path], message: `no step \`enrich\` finds a fact "${name}"` });
    const reading = everyStep(steps).filter(({ step }) => readsRecords(step));
    if (reading.length === 0 && parse < 0 && records !== undefined) {
      const message = 'records need a step that reads them: parse, load, or publish per record';
      context.addIssue({ code: 'custom', path: ['records'], message });
    }
    for (const { step, path } of reading)
      for (const message of readingFaults(stepKindOf(step), records))
        context.addIssue({ code: 'custom', path: [...path], message });
  });
export type RouteDocument = z.infer<typeof routeDocumentSchema>;

/** Steps besides `parse` that read the file row by row. */
function readsRecords(step: Readonly<Record<string, unknown>>): boolean {
  return step.load !== undefined || (step.publish as { readonly per?: unknown } | undefined)?.per === 'record';
}

function readingFaults(kind: string, records: RecordsLayout | undefined): string[] {
  if (records === undefined) return [`${kind} needs a section \`records\` in the route`];
  const { onReject } = records;
  const holds = onReject.action === 'hold' || (onReject.action === 'reject-rows' && onReject.otherwise === 'hold');
  return holds
    ? [`${kind} holds no file for its rejected rows; choose reject-file or reject-rows under \`onReject\``]
    : [];
}

export const routeFileDocumentSchema = z.discriminatedUnion(
  'kind',
  [
    tenantDocumentSchema,
    routeDocumentSchema,
    partnerDocumentSchema,
    storeDocumentSchema,
    databaseDocumentSchema,
    remoteDocumentSchema,
    sourceDocumentSchema,
    calendarDocumentSchema,
    expectationDocumentSchema,
    senderDocumentSchema,
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? 'kind must be tenant, route, partner, store, database, remote, source, calendar, expectation or sender'
        : undefined,
  },
);
export type RouteFileDocument =
  | TenantDocument
  | RouteDocument
  | PartnerDocument
  | StoreDocument
  | DatabaseDocument
  | RemoteDocument
  | SourceDocument
  | CalendarDocument
  | ExpectationDocument
  | SenderDocument;
