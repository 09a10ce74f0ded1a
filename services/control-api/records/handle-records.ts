/** The records of a job: a page of them, one with its attempts, and a person's decision about those that failed. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { RECORD_STATES } from '#shared/db/schema.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { lineCursorField, lineField } from '../http/page-cursor.ts';
import {
  anyCaseField,
  flagField,
  idField,
  idParams,
  limitField,
  reasonField,
  textField,
} from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { findRecordDetail, findRecordJob, findRecords, recordDetailSchema, recordPageSchema } from './find-records.ts';
import { previewRetry, retryRecords } from './retry-records.ts';

const codeField = textField(64);
const valuesField = flagField.describe('Include the values of the records; for operators.');

const filtersSchema = z.strictObject({
  state: anyCaseField(RECORD_STATES).optional(),
  code: codeField.optional().describe('The code of the call that failed, such as VALIDATION_ERROR.'),
  line: lineField.optional(),
  values: valuesField,
  cursor: lineCursorField.optional().describe('next_cursor of the previous page.'),
  limit: limitField,
});

const retrySchema = z.strictObject({
  lines: z.array(z.int().min(1)).min(1).max(10_000).optional().describe('Default: any.'),
  codes: z.array(codeField).min(1).max(100).optional().describe('Default: any.'),
  states: z
    .array(anyCaseField(['FAILED', 'AMBIGUOUS']))
    .min(1)
    .max(2)
    .optional()
    .describe('Default: FAILED only, because the calls of AMBIGUOUS records may have had an effect.'),
  reason: reasonField.optional().describe('Recorded in the audit. Required unless dry_run.'),
  rate_per_second: z.number().min(0.2).max(1_000).optional().describe('Records per second. Default: all at once.'),
  as_new: z.boolean().default(false).describe('Use a new idempotency key: the partner treats the call as a new one.'),
  dry_run: z.boolean().default(false).describe('Only count the records that would be retried.'),
});

const retryReplySchema = z.object({
  dry_run: z.boolean(),
  records: z.number().describe('Records that are retried, or would be; the calls are made within seconds.'),
  ambiguous: z.number().describe('Matching records that are not retried because the state AMBIGUOUS was not selected.'),
});

export function handleRecords(app: ApiServer, { sql, reads }: ApiParts): void {
  app.get(
    '/api/v1/jobs/:id/records',
    {
      schema: {
        summary: 'Records of a job, in the order of the file',
        tags: ['records'],
        params: idParams,
        querystring: filtersSchema,
        response: { 200: recordPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { values: withValues, cursor: afterLine, ...filters } = request.query;
      const { tenantId } = withValues ? callerWith(request, 'records:values') : callerOf(request);
      const job = await findRecordJob(reads, tenantId, request.params.id);
      return await findRecords(reads, job, { ...filters, withValues, afterLine });
    },
  );

  app.get(
    '/api/v1/jobs/:id/records/:line',
    {
      schema: {
        summary: 'One record with its attempts',
        tags: ['records'],
        params: z.object({ id: idField, line: lineField }),
        querystring: z.strictObject({ values: valuesField }),
        response: { 200: recordDetailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const withValues = request.query.values;
      const { tenantId } = withValues ? callerWith(request, 'records:values') : callerOf(request);
      const { id, line } = request.params;
      return await findRecordDetail(reads, await findRecordJob(reads, tenantId, id), line, withValues);
    },
  );

  app.post(
    '/api/v1/jobs/:id/records/retry',
    {
      schema: {
        summary: 'Retry failed records at the call that failed',
        tags: ['records'],
        params: idParams,
        body: retrySchema.refine(({ dry_run, reason }) => dry_run || reason !== undefined, {
          error: 'is required unless dry_run',
          path: ['reason'],
        }),
        response: { 200: retryReplySchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { id: jobId } = await findRecordJob(reads, caller.tenantId, request.params.id);
      const { lines, codes, states, reason, rate_per_second: perSecond, as_new: asNew, dry_run } = request.body;
      const filter = { jobId, lines, codes, states };
      if (!dry_run) callerWith(request, 'jobs:retry');
      const preview = await previewRetry(sql, filter);
      if (dry_run || reason === undefined) return { dry_run: true, ...preview };
      const taken = await retryRecords(sql, { ...filter, perSecond, asNew, reason, actor: actorOf(caller) });
      return { dry_run: false, records: taken, ambiguous: preview.ambiguous };
    },
  );
}
