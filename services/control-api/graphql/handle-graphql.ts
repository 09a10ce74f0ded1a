/**
 * `POST /graphql`: where files are, for clients that speak GraphQL. The same keys, the same sight and the same words as `GET /status`.
 *
 * 1. An unknown file, and one of another tenant, is null.
 * 2. A document is bounded in length, depth and look-ups before anything is looked up (`limit-queries.ts`).
 */
import type { GraphQLError } from 'graphql';
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import type { FindStatus } from '../files/find-status.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { errorBodySchema, toErrorReply } from '../http/error-reply.ts';
import { textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import type { GraphqlEngine } from './create-engine.ts';

const LONGEST_QUERY = 4_000;

const requestSchema = z.strictObject({
  query: textField(LONGEST_QUERY).describe('At most 10 look-ups, 100 fields and 5 levels.'),
  variables: z.record(z.string(), z.unknown()).nullish(),
  operationName: z.string().max(200).nullish(),
  extensions: z.record(z.string(), z.unknown()).nullish().describe('Ignored.'),
});
const errorSchema = z.object({
  message: z.string(),
  locations: z.array(z.object({ line: z.number(), column: z.number() })).optional(),
  path: z.array(z.union([z.string(), z.number()])).optional(),
  extensions: z.object({ code: z.string() }).optional(),
});
const answerSchema = z.object({
  data: z.record(z.string(), z.unknown()).nullable(),
  errors: z.array(errorSchema).optional(),
});

export function handleGraphql(app: ApiServer, findStatus: FindStatus): void {
  let engine: Promise<GraphqlEngine> | undefined;
  // Loaded when somebody asks: it takes 20 MB that a fleet without such clients need not have.
  const load = () => {
    engine ??= import('./create-engine.ts').then(({ createEngine }) => createEngine(findStatus));
    return engine;
  };
  app.addHook('onClose', async () => (await engine?.catch(() => undefined))?.close());

  app.post(
    '/graphql',
    {
      schema: {
        summary: 'Where files are, by GraphQL',
        description:
          'The schema has `getFileStatus(file_id: String!) { file_id status processed_by processing_time_ms }`.',
        tags: ['files'],
        body: requestSchema,
        response: {
          200: answerSchema,
          400: z
            .union([answerSchema, errorBodySchema])
            .describe('The query is not valid, or asks for too much; nothing was looked up.'),
          ...errorReplies,
        },
      },
    },
    async (request, reply) => {
      const { query, variables, operationName } = request.body;
      try {
        const { data, errors } = await (await load()).run({
          query,
          tenantId: callerOf(request).tenantId,
          variables: variables ?? {},
          operationName: operationName ?? undefined,
        });
        // Without a path it is of the request, not of a look-up: an operation that the schema does not have.
        if (errors?.some(({ path }) => path === undefined)) reply.code(400);
        return { data: data ?? null, ...(errors && { errors: errors.map(toError) }) };
      } catch (error) {
        const faults = faultsOf(error);
        if (faults === undefined) throw error;
        return await reply.code(400).send({ data: null, errors: faults.map(toError) });
      }
    },
  );
}

/** Of a query that is refused: mercurius throws them. */
function faultsOf(error: unknown): readonly GraphQLError[] | undefined {
  if (isGraphqlError(error)) return [error];
  const { code = '', errors } = error as { readonly code?: string; readonly errors?: readonly GraphQLError[] };
  return code.startsWith('MER_ERR_') ? (errors ?? [error as GraphQLError]) : undefined;
}

/** By its name: mercurius loads the CommonJS build of graphql, whose classes are others. */
function isGraphqlError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError';
}

/** A failure of ours says no more than in any other answer. */
function toError({
  message,
  locations,
  path,
  originalError,
  extensions = {},
}: GraphQLError): z.infer<typeof errorSchema> {
  const { body } = toErrorReply(originalError ?? new LongshoreError('REQUEST_INVALID', message));
  const isOurs = originalError !== undefined && !isGraphqlError(originalError) && path !== undefined;
  return {
    message: isOurs ? body.message : message,
    ...(locations && { locations: locations.map(({ line, column }) => ({ line, column })) }),
    ...(path && { path: [...path] }),
    extensions: { code: isOurs ? body.code : String(extensions.code ?? 'REQUEST_INVALID') },
  };
}
