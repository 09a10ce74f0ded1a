/** `GET /api/v1/overview`: what needs a person, what arrived and what fails, at a glance. */
import { overviewSchema } from '#shared/api/overview.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { callerOf } from '../http/request-guard.ts';
import { serveByCost } from '../records/serve-by-cost.ts';
import { findOverview } from './find-overview.ts';

/** However many ask, and however short it takes. */
const SERVED_FOR_MS = 1_000;
const ALL_TENANTS = '';

export function handleOverview(
  app: ApiServer,
  { sql, now = Date.now }: Pick<ApiParts, 'sql'> & { readonly now?: () => number },
): void {
  const read = serveByCost({
    read: (tenant) => findOverview(sql, tenant === ALL_TENANTS ? null : tenant, now()),
    atLeastMs: SERVED_FOR_MS,
  });

  app.get(
    '/api/v1/overview',
    {
      schema: {
        summary: 'What needs a person, what arrived and what fails, at a glance',
        description: 'Computed once a second at most for all who ask; of a tenant its own numbers.',
        tags: ['operations'],
        response: { 200: overviewSchema, ...errorReplies },
      },
    },
    (request) => read(callerOf(request).tenantId ?? ALL_TENANTS),
  );
}
