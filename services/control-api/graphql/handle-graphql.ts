/**
 * `POST /graphql`: where files are, for clients that speak GraphQL. The same keys, the same sight and the same words as `GET /status`.
 *
 * 1. An unknown file, and one of another tenant, is null.
 * 2. A document is bounded in length, depth and look-ups before anything is looked up (`limit-queries.ts`).
 */
import type { FastifyRequest } from 'fastify';
import { GraphQLError } from 'graphql';
import mercurius from 'mercurius';
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { findStatus } from '../files/find-status.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { errorBodySchema, toErrorReply } from '../http/error-reply.ts';
import { textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import type { CountRecords } from '../records/count-records.ts';
import { limitQueries } from './limit-queries.ts';

const SCHEMA = `
  type Query {
    "By id, name or path; of several files with one name the newest."
    getFileStatus(file_id: String!): FileStatus
  }
  type FileStatus {
    file_id: String!
    status: String!
    processed_by: String
    processing_time_ms: Float
  }
`;

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

declare module 'mercurius' {
  interface MercuriusContext {
    readonly request: FastifyRequest;
  }
}

export async function handleGraphql(app: ApiServer, { reads }: ApiParts, countRecords: CountRecords): Promise<void> {
  const fileField = textField(1_200);
  await app.register(mercurius, {
    schema: SCHEMA,
    routes: false,
    validationRules: [limitQueries],
    resolvers: {
      Query: {
        getFileStatus: async (
          _root: unknown,
          args: { readonly file_id: string },
          { request }: { request: FastifyRequest },
        ) => {
          const reference = fileField.safeParse(args.file_id);
          if (!reference.success) return null;
          return (await findStatus({ reads, countRecords }, callerOf(request).tenantId, reference.data)) ?? null;
        },
      },
    },
  });

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
        const { data, errors } = await app.graphql(query, { request }, variables ?? {}, operationName ?? undefined);
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
  return code.startsWith('MER_ERR_GQL') ? (errors ?? [new GraphQLError((error as Error).message)]) : undefined;
}

/** By its name: mercurius loads the CommonJS build of graphql, whose classes are others. */
function isGraphqlError(error: unknown): error is GraphQLError {
  return error instanceof Error && error.name === 'GraphQLError';
}

/** A failure of ours says no more than in any other answer. */
function toError({ message, locations, path, originalError, extensions }: GraphQLError): z.infer<typeof errorSchema> {
  const { body } = toErrorReply(originalError ?? new LongshoreError('REQUEST_INVALID', message));
  const isOurs = originalError !== undefined && !isGraphqlError(originalError) && path !== undefined;
  return {
    message: isOurs ? body.message : message,
    ...(locations && { locations: locations.map(({ line, column }) => ({ line, column })) }),
    ...(path && { path: [...path] }),
    extensions: { code: isOurs ? body.code : String(extensions.code ?? 'REQUEST_INVALID') },
  };
}
