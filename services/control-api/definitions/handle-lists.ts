/** `GET /api/v1/partners`, and likewise of the other kinds that only have to be listed. They are applied with routes, see `handle-routes.ts`. */
import { z } from 'zod';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { flagField, limitField, tenantField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { definitionCursorField, type ListedKind, listDefinitions, listSchemaOf } from './list-definitions.ts';

const querystring = z.strictObject({
  tenant: tenantField.optional(),
  cursor: definitionCursorField.optional(),
  limit: limitField,
});

const partnersQuery = querystring.extend({
  held: flagField.describe('Only those that an operator paused, or whose breaker an operator holds open.'),
});

const SUMMARIES: Readonly<Record<ListedKind, string>> = {
  partners: 'Partners with their current definitions',
  stores: 'External stores with their current definitions',
  databases: 'Databases with their current definitions',
  calendars: 'Calendars of business days with their current definitions',
  expectations: 'Expectations of files with their current definitions',
  senders: 'Senders of campaigns with their current definitions',
};

const TAGS: Readonly<Partial<Record<ListedKind, string>>> = {
  calendars: 'expectations',
  expectations: 'expectations',
  senders: 'campaigns',
};

export function handleLists(server: ApiServer, { reads }: Pick<ApiParts, 'reads'>): void {
  for (const kind of Object.keys(SUMMARIES) as ListedKind[]) {
    server.get(
      `/api/v1/${kind}`,
      {
        schema: {
          summary: SUMMARIES[kind],
          tags: [TAGS[kind] ?? 'routes'],
          querystring: kind === 'partners' ? partnersQuery : querystring,
          response: { 200: listSchemaOf(kind), ...errorReplies },
        },
      },
      async (request) => {
        const { tenant, cursor, limit } = request.query;
        const isHeld = 'held' in request.query && request.query.held === true;
        const tenantId = scopeOf(callerOf(request), tenant);
        if (tenantId === undefined) return { [kind]: [], next_cursor: null };
        const { entries, next_cursor } = await listDefinitions(reads, kind, {
          tenantId,
          after: cursor,
          limit,
          isHeld,
        });
        return { [kind]: entries, next_cursor };
      },
    );
  }
}
