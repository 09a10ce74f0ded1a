/** `GET /api/v1/search?q=`: what has this id, name, path, checksum or key. */
import { z } from 'zod';

export const searchHitSchema = z
  .object({
    kind: z.enum(['file', 'job', 'record', 'action', 'dead-letter', 'route', 'partner']),
    by: z.enum(['id', 'name', 'path', 'checksum', 'business-key', 'request-id', 'content']).describe('What matched.'),
    id: z.string().describe('Of a record `<job>:<line>`; of a route or partner its name.'),
    name: z.string().nullable(),
    tenant: z.string().nullable(),
    state: z.string().nullable(),
    file_id: z.string().nullable(),
    job_id: z.string().nullable(),
    line: z.number().nullable(),
  })
  .meta({ id: 'SearchHit' });
export type SearchHit = z.infer<typeof searchHitSchema>;

export const searchReplySchema = z.object({ hits: z.array(searchHitSchema) });
