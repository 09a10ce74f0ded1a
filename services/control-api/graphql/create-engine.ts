/** The GraphQL engine: the schema, its one look-up and its limits. Its own server that listens nowhere, as it is loaded late. */
import Fastify from 'fastify';
import { type ExecutionResult, parse } from 'graphql';
import mercurius from 'mercurius';
import type { FileStatusReply } from '../files/find-status.ts';
import { textField } from '../http/request-fields.ts';
import { limitQueries } from './limit-queries.ts';

declare module 'mercurius' {
  interface MercuriusContext {
    readonly tenantId: string | null;
  }
}

export interface GraphqlEngine {
  /** @throws GraphQLError, or an error of mercurius with `errors`, for a query that is refused. */
  run(asked: {
    readonly query: string;
    /** Null sees every tenant. */
    readonly tenantId: string | null;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly operationName: string | undefined;
  }): Promise<ExecutionResult>;
  close(): Promise<void>;
}

/** More than ten look-ups with all their fields have; nesting stays far from the end of the stack. */
const MOST_TOKENS = 1_000;
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

export async function createEngine(
  find: (tenantId: string | null, reference: string) => Promise<FileStatusReply | undefined>,
): Promise<GraphqlEngine> {
  const fileField = textField(1_200);
  const app = Fastify({ logger: false });
  await app.register(mercurius, {
    schema: SCHEMA,
    routes: false,
    validationRules: [limitQueries],
    resolvers: {
      Query: {
        getFileStatus: async (
          _root: unknown,
          args: { readonly file_id: string },
          { tenantId }: { readonly tenantId: string | null },
        ) => {
          const reference = fileField.safeParse(args.file_id);
          return reference.success ? ((await find(tenantId, reference.data)) ?? null) : null;
        },
      },
    },
  });
  await app.ready();
  return {
    run: async ({ query, tenantId, variables, operationName }) => {
      // Mercurius takes what is not GraphQL for JSON of a syntax tree, of whatever form.
      parse(query, { maxTokens: MOST_TOKENS });
      return await app.graphql(query, { tenantId }, { ...variables }, operationName);
    },
    close: () => app.close(),
  };
}
