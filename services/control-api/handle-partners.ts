/** `GET /api/v1/partners`. They are applied with the routes that call them, see `handle-routes.ts`. */
import { z } from 'zod';
import { type ApiParts, type ApiServer, errorReplies } from './api-server.ts';
import { findPartners, partnerCursorField, partnerPageSchema } from './find-partners.ts';
import { limitField, tenantField } from './request-fields.ts';
import { callerOf } from './request-guard.ts';

export function handlePartners(server: ApiServer, parts: ApiParts): void {
  server.get(
    '/api/v1/partners',
    {
      schema: {
        summary: 'Partners as they are described now',
        tags: ['routes'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          cursor: partnerCursorField.optional(),
          limit: limitField,
        }),
        response: { 200: partnerPageSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { tenant, cursor, limit } = request.query;
      if (caller.tenantId !== null && tenant !== undefined && tenant !== caller.tenantId)
        return { partners: [], next_cursor: null };
      return await findPartners(parts.reads, { tenantId: caller.tenantId ?? tenant ?? null, after: cursor, limit });
    },
  );
}
