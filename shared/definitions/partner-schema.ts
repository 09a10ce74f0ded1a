/**
 * What a partner's YAML document may say: where it is, how we show who we are, how much it takes, its operations, and how its replies
 * are to be read.
 *
 * 1. Unknown keys are faults: a misspelt option must not be passed over in silence.
 * 2. Secrets are named, never written: a definition can be shown to anyone who may see the tenant.
 * 3. Whether an operation may be repeated has to be said: `idempotent: true`, or a header for the key, or neither.
 */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema, secretNameSchema } from '#shared/definitions/name-schemas.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import { compileJson, compilePath, compileText, type JsonTemplate } from '#shared/partners/request-template.ts';
import { isValuePath } from '#shared/partners/value-path.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** Each call under way holds its reply in memory. */
const LARGEST_REPLY_BYTES = 16 * 1_024 * 1_024;

export const headerNameSchema = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a header');
export const valuePathSchema = z.string().refine(isValuePath, { error: 'must be a path such as assignments.0.id' });
const causeSchema = z.string().regex(/^[A-Z][A-Z0-9_]{1,62}$/, 'must be upper-case letters, digits and "_"');

const httpUrlSchema = z.url({ protocol: /^https?$/ }).refine((url) => {
  const { username, password, search, hash } = new URL(url);
  return [username, password, search, hash].every((part) => part === '');
}, 'must have no user, query or fragment');

export function templateSchema(compile: (source: string) => unknown) {
  return z.string().superRefine((source, context) => {
    try {
      compile(source);
    } catch (error) {
      const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
      context.addIssue({ code: 'custom', message: `the template cannot be used: ${line}` });
    }
  });
}

export const jsonTemplateSchema: z.ZodType<JsonTemplate> = z.lazy(() =>
  z.union([
    templateSchema((source) => compileJson(source)),
    z.number(),
    z.boolean(),
    z.null(),
    z.array(jsonTemplateSchema).max(100),
    z.record(z.string().max(100), jsonTemplateSchema),
  ]),
);

/** Whose headers are the same for every request. */
export const constantAuthSchemas = [
  z.strictObject({ type: z.literal('none') }),
  /** The secret's text in a header, after a prefix such as `Bearer `. */
  z.strictObject({
    type: z.literal('static'),
    header: headerNameSchema.default('authorization'),
    prefix: z.string().max(50).default(''),
    secret: secretNameSchema,
  }),
  z.strictObject({
    type: z.literal('oauth2-client-credentials'),
    tokenUrl: httpUrlSchema,
    clientId: z.string().min(1).max(200),
    clientSecret: secretNameSchema,
    scope: z.string().max(1_000).optional(),
    audience: z.string().max(500).optional(),
    /** Where id and secret go. */
    credentials: z.enum(['basic', 'body']).default('basic'),
    /** Secret with a refresh token of an account: it is exchanged in place of the client's own credentials (RFC 6749, 6). */
    refreshToken: secretNameSchema.optional(),
    /** Further fields of the request for a token. */
    parameters: z.record(z.string().max(100), z.string().max(500)).optional(),
  }),
] as const;

const authSchema = z.discriminatedUnion('type', [
  ...constantAuthSchemas,
  /** Over `<timestamp>.<method>.<path and query>.<hash of the body>`, hexadecimal. */
  z.strictObject({
    type: z.literal('hmac'),
    secret: secretNameSchema,
    algorithm: z.enum(['sha256', 'sha512']).default('sha256'),
    header: headerNameSchema.default('x-signature'),
    timestampHeader: headerNameSchema.default('x-timestamp'),
  }),
]);

/** Statuses as `200`, `4xx`; one or several. */
const statusSchema = z.preprocess(
  (value) => (Array.isArray(value) ? value : [value]),
  z
    .array(z.union([z.int().min(100).max(599), z.string().regex(/^[1-5]xx$/, 'must be a status, or such as 2xx')]))
    .min(1)
    .max(20),
);

const scalarSchema = z.union([z.string().max(200), z.number(), z.boolean(), z.null()]);

const whenSchema = z.strictObject({
  status: statusSchema.optional(),
  /** Each path has the value, or one of the values. */
  body: z.record(valuePathSchema, z.union([scalarSchema, z.array(scalarSchema).min(1).max(50)])).default({}),
});

/** The first rule that fits is taken. */
const judgingRuleSchema = z
  .strictObject({
    when: whenSchema,
    is: z.enum(['success', 'business-failure', 'retryable', 'ambiguous']),
    /** No sweep takes the record up again: it waits for an operator's decision, or for the row to be sent again. */
    final: z.boolean().default(false),
    cause: causeSchema.optional(),
    /** Where the partner's own code and words are in the reply. */
    codeFrom: valuePathSchema.optional(),
    messageFrom: valuePathSchema.optional(),
  })
  .refine((rule) => !rule.final || rule.is === 'business-failure', {
    error: 'only a business failure can be final',
    path: ['final'],
  });
export type JudgingRule = z.output<typeof judgingRuleSchema>;

const operationSchema = z
  .strictObject({
    method: z.enum(['GET', 'POST', 'PUT', 'DELETE']),
    path: templateSchema(compilePath).refine((path) => path.startsWith('/'), { error: 'must begin with "/"' }),
    query: z.record(z.string().max(100), templateSchema(compileText)).default({}),
    headers: z.record(headerNameSchema, templateSchema(compileText)).default({}),
    body: jsonTemplateSchema.optional(),
    /** For a step `post`: the file is the body, a part of a form next to the fields of `body`, or base64 in the JSON of `body`. */
    file: z.enum(['body', 'multipart', 'base64']).optional(),
    /** Its name in the form (`file` when absent) or in the JSON (`content`). */
    fileField: z
      .string()
      .regex(/^[A-Za-z_][\w.-]{0,63}$/, 'must be the name of a field')
      .optional(),
    /** The operation that says whether a call of this one had its effect, by `{{ meta.key }}`. */
    ask: idSchema.optional(),
    /** A check or a query: it may be repeated as often as one likes. */
    idempotent: z.boolean(),
    /** The header that makes a repeated call harmless, or `none` where the partner has no such thing. */
    idempotencyHeader: headerNameSchema.default('none'),
    timeout: durationSchema({ minMs: 10, maxMs: 5 * MINUTE_MS }).optional(),
    judge: z.array(judgingRuleSchema).max(50).default([]),
    /** Names for later steps and the results file, from the reply of a success. */
    output: z.record(z.string().regex(/^[A-Za-z_]\w{0,63}$/), valuePathSchema).default({}),
    /** The one of `output` that the partner knows the call by. */
    referenceFrom: valuePathSchema.optional(),
    /** A person may make this call as a test, with these values as the record. */
    test: z.record(z.string().max(100), z.union([z.string().max(1_000), z.number(), z.boolean(), z.null()])).optional(),
  })
  .refine(({ method, body, file }) => method !== 'GET' || (body === undefined && file === undefined), {
    error: 'a GET has no body',
    path: ['body'],
  })
  .refine(({ test, idempotent, file }) => test === undefined || (idempotent && file === undefined), {
    error: 'only an operation with `idempotent: true` and without a file can be a test',
    path: ['test'],
  })
  .refine(({ file, body }) => file !== 'body' || body === undefined, {
    error: 'the file is the body; choose multipart or base64 to send fields with it',
    path: ['body'],
  });
export type PartnerOperation = z.output<typeof operationSchema>;

export const partnerDocumentSchema = z.strictObject({
  kind: z.literal('partner'),
  tenant: idSchema,
  name: idSchema,
  description: z.string().max(500).optional(),
  baseUrl: httpUrlSchema,
  auth: authSchema.default({ type: 'none' }),
  /** Mutual TLS, next to whatever `auth` says; PEM in the secret store. */
  tls: z
    .strictObject({
      key: secretNameSchema.optional(),
      certificate: secretNameSchema.optional(),
      authority: secretNameSchema.optional(),
    })
    .refine(({ key, certificate }) => (key === undefined) === (certificate === undefined), {
      error: 'key and certificate belong together',
    })
    .optional(),
  /** For a whole call, from the look-up of the name to the last byte. */
  timeout: durationSchema({ minMs: 10, maxMs: 5 * MINUTE_MS }).default(10 * SECOND_MS),
  maxReply: sizeSchema.refine((bytes) => bytes <= LARGEST_REPLY_BYTES, 'must be at most 16 MiB').default(1_048_576),
  limits: z
    .strictObject({
      /** Over all tasks. */
      ratePerSecond: z.number().min(0.01).max(100_000).optional(),
      /** Of one task. */
      concurrency: z.int().min(1).max(1_000).default(20),
    })
    .prefault({}),
  breaker: z
    .strictObject({
      /** Calls in a row without a usable reply. */
      failures: z.int().min(1).max(1_000).default(10),
      openFor: durationSchema({ minMs: 100, maxMs: 60 * MINUTE_MS }).default(15 * SECOND_MS),
    })
    .prefault({}),
  operations: z
    .record(idSchema, operationSchema)
    .refine((operations) => Object.keys(operations).length > 0, { error: 'needs at least one operation' })
    .superRefine((operations, context) => {
      for (const [name, { ask }] of Object.entries(operations)) {
        const asked = ask === undefined ? undefined : operations[ask];
        if (ask !== undefined && (asked === undefined || !asked.idempotent || asked.file !== undefined)) {
          const message = `must name an operation with \`idempotent: true\` and without a file`;
          context.addIssue({ code: 'custom', path: [name, 'ask'], message });
        }
      }
    }),
});
export type PartnerDocument = z.output<typeof partnerDocumentSchema>;
