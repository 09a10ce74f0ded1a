/** What operators work with: dead letters and queues. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { DEAD_LETTER_STATES } from '#shared/db/schema.ts';
import { discardParkedLetters } from '#shared/dead-letters/dead-letters.ts';
import { LongshoreError } from '#shared/errors.ts';
import { isFifo, QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField } from '../http/page-cursor.ts';
import { anyCaseField, idField, idParams, limitField, reasonField, tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import {
  countParkedLetters,
  deadLetterDetailSchema,
  deadLetterPageSchema,
  findDeadLetter,
  findDeadLetters,
} from './find-dead-letters.ts';
import { findHealth, healthSchema } from './find-health.ts';
import { redriveCorrected, redriveDeadLetters } from './redrive-dead-letters.ts';

const redriveSchema = z.strictObject({
  queue: z.enum(QUEUE_IDS).optional(),
  tenant: tenantField.optional(),
  ids: z.array(idField).min(1).max(1_000).optional(),
  reason: reasonField.optional().describe('Recorded in the audit. Required unless dry_run.'),
  rate_per_second: z.number().min(0.2).max(1_000).default(50),
  dry_run: z.boolean().default(false).describe('Only count the letters that would be redriven.'),
  force: z.boolean().default(false).describe('Also redrive letters that no service can read; they are parked again.'),
  cursor: cursorField.optional().describe('next_cursor of the previous call.'),
});

const redriveReplySchema = z.object({
  dry_run: z.boolean(),
  parked: z
    .array(z.object({ queue: z.string(), letters: z.number() }))
    .describe('Parked letters before this call, by queue.'),
  redriven: z.number(),
  refused: z.array(z.object({ dead_letter_id: z.string(), queue: z.string(), reason: z.string() })),
  next_cursor: z.string().nullable().describe('Null if all letters were seen; otherwise pass it as `cursor`.'),
});

const discardSchema = z
  .strictObject({
    queue: z.enum(QUEUE_IDS).optional(),
    tenant: tenantField.optional(),
    ids: z.array(idField).min(1).max(1_000).optional(),
    reason: reasonField.optional().describe('Recorded in the audit. Required unless dry_run.'),
    dry_run: z.boolean().default(false).describe('Only count the letters that would be discarded.'),
  })
  .refine(({ dry_run, reason }) => dry_run || reason !== undefined, {
    error: 'is required unless dry_run',
    path: ['reason'],
  })
  .refine(({ queue, tenant, ids }) => queue !== undefined || tenant !== undefined || ids !== undefined, {
    error: 'name ids, a queue or a tenant: all letters are not discarded at once',
    path: ['ids'],
  });

const discardReplySchema = z.object({
  dry_run: z.boolean(),
  parked: redriveReplySchema.shape.parked,
  discarded: z.number(),
  has_more: z.boolean().describe('Call again for the rest.'),
});

/** Of one call; each is a row that changes and an event. */
const DISCARDED_AT_ONCE = 1_000;
/** What SQS takes. */
const LARGEST_MESSAGE = 262_144;

const depthSchema = z.object({ visible: z.number(), in_flight: z.number(), delayed: z.number() });

export function handleDeadLetters(app: ApiServer, parts: ApiParts): void {
  const { sql, reads, senders } = parts;
  handleOneDeadLetter(app, parts);
  app.get(
    '/api/v1/dead-letters',
    {
      schema: {
        summary: 'Messages that could not be processed, newest first',
        tags: ['operations'],
        querystring: z.strictObject({
          queue: z.enum(QUEUE_IDS).optional(),
          tenant: tenantField.optional(),
          state: anyCaseField(DEAD_LETTER_STATES).optional(),
          cursor: cursorField.optional(),
          limit: limitField,
        }),
        response: { 200: deadLetterPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, state, cursor, ...filters } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { dead_letters: [], next_cursor: null };
      return await findDeadLetters(reads, {
        ...filters,
        tenantId,
        state,
        after: cursor,
      });
    },
  );

  app.post(
    '/api/v1/dead-letters/redrive',
    {
      schema: {
        summary: 'Send parked letters back to their queues',
        tags: ['operations'],
        body: redriveSchema.refine(({ dry_run, reason }) => dry_run || reason !== undefined, {
          error: 'is required unless dry_run',
          path: ['reason'],
        }),
        response: { 200: redriveReplySchema, ...errorReplies },
      },
    },
    async (request) => {
      const operator = callerWith(request, 'letters:redrive');
      const { queue, tenant, ids, reason, rate_per_second, dry_run, force, cursor } = request.body;
      const filters = { tenantId: tenant ?? null, queue, ids };
      const parked = await countParkedLetters(reads, filters);
      if (dry_run || reason === undefined)
        return { dry_run: true, parked, redriven: 0, refused: [], next_cursor: null };
      const result = await redriveDeadLetters(
        { sql, reads, senders },
        {
          filters,
          after: cursor,
          ratePerSecond: rate_per_second,
          force,
          reason,
          actor: actorOf(operator),
          signal: request.ended,
        },
      );
      return { dry_run: false, parked, ...result, refused: [...result.refused] };
    },
  );
}

function handleOneDeadLetter(app: ApiServer, parts: ApiParts): void {
  app.get(
    '/api/v1/dead-letters/:id',
    {
      schema: {
        summary: 'One message that could not be processed, with its full body',
        tags: ['operations'],
        params: idParams,
        response: { 200: deadLetterDetailSchema, ...errorReplies },
      },
    },
    async (request) => await findDeadLetter(parts.reads, callerOf(request).tenantId, request.params.id),
  );

  app.post(
    '/api/v1/dead-letters/:id/redrive',
    {
      schema: {
        summary: 'Send a parked letter back to its queue with a corrected body',
        tags: ['operations'],
        params: idParams,
        body: z.strictObject({
          body: z.string().min(1).max(LARGEST_MESSAGE).describe('The corrected body; validated before it is sent.'),
          reason: reasonField,
        }),
        response: { 200: deadLetterDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'letters:redrive'));
      await redriveCorrected(parts, { id: request.params.id, ...request.body, actor });
      return await findDeadLetter(parts.reads, null, request.params.id);
    },
  );

  app.post(
    '/api/v1/dead-letters/discard',
    {
      schema: {
        summary: 'Discard parked letters: they are kept, but never processed',
        tags: ['operations'],
        body: discardSchema,
        response: { 200: discardReplySchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'letters:redrive'));
      const { queue, tenant, ids, reason, dry_run } = request.body;
      const parked = await countParkedLetters(parts.reads, { tenantId: tenant ?? null, queue, ids });
      if (dry_run || reason === undefined) return { dry_run: true, parked, discarded: 0, has_more: false };
      const discarded = await discardParkedLetters(parts.sql, {
        tenantId: tenant,
        queue,
        ids,
        limit: DISCARDED_AT_ONCE,
        actor,
        reason,
      });
      if (discarded === 0 && ids !== undefined)
        throw new LongshoreError('NOT_FOUND', 'None of these letters is parked.');
      return { dry_run: false, parked, discarded, has_more: discarded === DISCARDED_AT_ONCE };
    },
  );
}

export function handleQueues(app: ApiServer, parts: ApiParts): void {
  const { readDepths } = parts;
  app.get(
    '/api/v1/health',
    {
      schema: {
        summary: 'The fleet at a glance',
        tags: ['operations'],
        response: { 200: healthSchema, ...errorReplies },
      },
    },
    async (request) => {
      callerWith(request, 'queues:read');
      return await findHealth(parts);
    },
  );

  app.get(
    '/api/v1/queues',
    {
      schema: {
        summary: 'Approximate number of messages in the queues',
        tags: ['operations'],
        response: {
          200: z.object({
            queues: z.array(
              z.object({ queue: z.string(), is_fifo: z.boolean(), messages: depthSchema, dead_letters: depthSchema }),
            ),
          }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      callerWith(request, 'queues:read');
      const depths = await readDepths(QUEUE_IDS);
      return {
        queues: depths.map(({ queue, main, dead }) => ({
          queue,
          is_fifo: isFifo(queue),
          messages: { visible: main.visible, in_flight: main.inFlight, delayed: main.delayed },
          dead_letters: { visible: dead.visible, in_flight: dead.inFlight, delayed: dead.delayed },
        })),
      };
    },
  );
}
