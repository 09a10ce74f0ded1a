/**
 * `GET /api/v1/audit`, `/audit/verify` and `/audit/export`: who did what, in a chain of hashes per tenant (`shared/audit/`).
 *
 * Takes `audit:read`; a tenant sees its own lines.
 */
import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { hasHash, verifyPage } from '#shared/audit/verify-chain.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { cursorField, encodeLineCursor, lineCursorField } from '../http/page-cursor.ts';
import { idField, instantField, limitField, tenantField, textField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { auditPageSchema, findAuditEvents, streamAuditEvents } from './find-audit-events.ts';

const filters = {
  tenant: tenantField.optional(),
  actor: textField(300).optional().describe('Exact, e.g. `operator:maria`.'),
  type: textField(64).optional().describe('E.g. `job.released`.'),
  file: idField.optional().describe('The id of a file.'),
  from: instantField.optional().describe('At this instant or later, RFC 3339.'),
  to: instantField.optional().describe('Before this instant.'),
};

const LINES_AT_ONCE = 50_000;
const EXPORTED_AT_ONCE = 1_000;
/** Of one export; more come in parts, by `from`. */
const MOST_EXPORTED = 1_000_000;

const verifiedSchema = z.object({
  tenant: z.string(),
  lines: z.number().describe('Verified in this page.'),
  first_line: z.number().nullable().describe('The oldest of this page; earlier ones than 1 are past retention.'),
  faults: z.array(
    z.object({
      fault: z.enum(['altered', 'removed', 'added', 'seal altered']),
      line: z.number().nullable(),
      event_id: z.string().nullable(),
      at: z.string().nullable(),
    }),
  ),
  head: z
    .object({ line: z.number(), hash: z.string() })
    .nullable()
    .describe('The last line. Note it elsewhere, and give it as `known` another time.'),
  next_cursor: z.string().nullable(),
});

export type VerifiedChain = z.infer<typeof verifiedSchema>;

export function handleAudit(app: ApiServer, { sql }: Pick<ApiParts, 'sql'>): void {
  app.get(
    '/api/v1/audit',
    {
      schema: {
        summary: 'Who did what, newest first',
        tags: ['audit'],
        querystring: z.strictObject({ ...filters, cursor: cursorField.optional(), limit: limitField }),
        response: { 200: auditPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, file, cursor, ...rest } = request.query;
      const sight = sightOf(request, tenant);
      if (sight === 'none') return { events: [], next_cursor: null };
      return await findAuditEvents(sql, { ...rest, tenantId: sight.tenantId, fileId: file, after: cursor });
    },
  );

  app.get(
    '/api/v1/audit/verify',
    {
      schema: {
        summary: 'Verify the chain of a tenant, a page of lines at a time',
        description:
          'Lines that were altered, added or removed are named. Continue with `next_cursor` until it is null.',
        tags: ['audit'],
        querystring: z.strictObject({
          tenant: tenantField,
          known: z
            .string()
            .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'is not LINE:HASH')
            .optional()
            .describe('`LINE:HASH` that was noted before: shows whether the chain is still that one.'),
          cursor: lineCursorField.optional(),
          limit: z.coerce.number().int().min(1).max(LINES_AT_ONCE).default(LINES_AT_ONCE),
        }),
        response: { 200: verifiedSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, known, cursor, limit } = request.query;
      const nothing = { tenant, lines: 0, first_line: null, faults: [], head: null, next_cursor: null };
      if (sightOf(request, tenant) === 'none') return nothing;
      const page = await verifyPage(sql, { tenantId: tenant, after: cursor ?? 0, limit });
      const faults = page.faults.map(({ fault, seq, eventId, at }) => ({ fault, line: seq, event_id: eventId, at }));
      const [line = '', hash = ''] = known?.split(':') ?? [];
      if (known !== undefined && !(await hasHash(sql, tenant, Number(line), hash)))
        faults.unshift({ fault: 'seal altered', line: Number(line), event_id: null, at: null });
      return {
        tenant,
        lines: page.lines,
        first_line: page.first,
        faults,
        head: page.head && { line: page.head.seq, hash: page.head.hash },
        next_cursor: page.next === null ? null : encodeLineCursor(page.next),
      };
    },
  );

  app.get(
    '/api/v1/audit/export',
    {
      schema: {
        summary: 'The audit as one JSON object a line (NDJSON), oldest first',
        description: `At most ${MOST_EXPORTED} lines; continue with \`from\`.`,
        tags: ['audit'],
        produces: ['application/x-ndjson'],
        querystring: z.strictObject(filters),
        response: { 200: z.any().describe('Lines as the events of GET /api/v1/audit.'), ...errorReplies },
      },
    },
    async (request, reply) => {
      const { tenant, file, ...rest } = request.query;
      const sight = sightOf(request, tenant);
      reply.type('application/x-ndjson; charset=utf-8');
      reply.header('content-disposition', 'attachment; filename="audit.ndjson"');
      if (sight === 'none') return await reply.send('');
      const events = streamAuditEvents(sql, { ...rest, tenantId: sight.tenantId, fileId: file }, EXPORTED_AT_ONCE);
      return await reply.send(Readable.from(linesOf(events)));
    },
  );
}

/** Whose lines a request may see: all, a tenant's, or those of another tenant, which are none. */
function sightOf(request: FastifyRequest, tenant: string | undefined): { tenantId: string | null } | 'none' {
  const caller = callerWith(request, 'audit:read');
  if (caller.tenantId !== null && tenant !== undefined && tenant !== caller.tenantId) return 'none';
  return { tenantId: caller.tenantId ?? tenant ?? null };
}

async function* linesOf(events: AsyncIterable<unknown>): AsyncGenerator<string> {
  let lines = 0;
  for await (const event of events) {
    yield `${JSON.stringify(event)}\n`;
    lines += 1;
    if (lines === MOST_EXPORTED) return;
  }
}
