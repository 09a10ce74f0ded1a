/** `GET /api/v1/search?q=`: one box for ids, names, paths, checksums and keys. */
import { z } from 'zod';
import { searchReplySchema } from '#shared/api/search.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { findHits, MOST_HITS } from './find-hits.ts';

export function handleSearch(app: ApiServer, { sql }: Pick<ApiParts, 'sql'>): void {
  app.get(
    '/api/v1/search',
    {
      schema: {
        summary: 'Find by id, name, path, checksum, business key, request id or words',
        description: `At most ${MOST_HITS} of a kind. Ids, names of files and paths are found by their beginning too, of ids at least 8 digits; checksums and business keys must match exactly, including case. Files that went through a step \`index\` are found by words in them too, all of which they have to have.`,
        tags: ['files'],
        querystring: z.strictObject({ q: textField(1_024).trim().pipe(z.string().min(3)) }),
        response: { 200: searchReplySchema, ...errorReplies },
      },
    },
    async (request) => ({ hits: await findHits(sql, callerOf(request).tenantId, request.query.q) }),
  );
}
