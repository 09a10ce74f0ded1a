/** The server's type with zod schemas, and the replies that every route may give besides its own. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Registry } from 'prom-client';
import type { Reads, Sql } from '#shared/db/connect-database.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { QueueDepths } from '../operations/read-queue-depths.ts';
import type { WakeUpSenders } from '../operations/wake-up-senders.ts';
import { errorBodySchema } from './error-reply.ts';

export type ApiServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What handlers work with. `sql` writes by the transitions of `shared/jobs/`, `reads` reads. */
export interface ApiParts {
  readonly sql: Sql;
  readonly reads: Reads;
  readonly senders: WakeUpSenders;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly admissionWindow: number;
  readonly readDepths: (queues: readonly QueueId[]) => Promise<QueueDepths>;
  readonly logger: Logger;
  readonly registry: Registry;
}

export const errorReplies = {
  '4xx': errorReply('The request was rejected; `code` says why.'),
  '5xx': errorReply('Server or dependency error.'),
};

function errorReply(description: string) {
  return { description, content: { 'application/json': { schema: errorBodySchema } } };
}
