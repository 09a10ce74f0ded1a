/** `GET /api/v1/partners/{tenant}/{name}/health`. */
import { z } from 'zod';
import { partnerHealthSchema } from '#shared/api/partner-health.ts';
import { durationSchema } from '#shared/definitions/duration.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { tenantField, textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { findPartnerHealth } from './find-partner-health.ts';

export function handlePartnerHealth(
  app: ApiServer,
  { sql, secrets }: Pick<ApiParts, 'sql'> & { readonly secrets: SecretStore },
): void {
  app.get(
    '/api/v1/partners/:tenant/:name/health',
    {
      schema: {
        summary: 'How a partner’s calls go, and what waits for it',
        description: 'From what the workers report every 5 seconds.',
        tags: ['operations'],
        params: z.object({ tenant: tenantField, name: textField(128) }),
        querystring: z.strictObject({
          window: textField(12)
            .default('15m')
            .transform((text): string | number => text)
            .pipe(durationSchema({ minMs: 60_000, maxMs: 86_400_000 }))
            .describe('Back from now, such as 15m or 24h, the most.'),
        }),
        response: { 200: partnerHealthSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, name } = request.params;
      const { tenantId } = callerOf(request);
      const isOwn = tenantId === null || tenantId === tenant;
      const health = isOwn
        ? await findPartnerHealth(sql, { tenant, name }, request.query.window, { viewer: tenantId, secrets })
        : undefined;
      if (health === undefined) throw new LongshoreError('NOT_FOUND', 'Partner not found');
      return health;
    },
  );
}
