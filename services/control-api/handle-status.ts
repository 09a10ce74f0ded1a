/** `GET /status`: where one file is, for partners' programs. */
import { z } from 'zod';
import { type ApiParts, type ApiServer, errorReplies } from './api-server.ts';
import { fileStatusSchema, findStatus } from './find-status.ts';
import { textField } from './request-fields.ts';
import { callerOf } from './request-guard.ts';

export function handleStatus(app: ApiServer, { reads }: ApiParts): void {
  app.get(
    '/status',
    {
      schema: {
        summary: 'Where a file is',
        tags: ['files'],
        querystring: z.object({
          file_id: textField(1_200).describe(
            'The id, or the name, or the path of the file; then the newest of that name.',
          ),
        }),
        response: {
          200: fileStatusSchema,
          404: z.object({ message: z.literal('File not found') }),
          ...errorReplies,
        },
      },
    },
    async (request, reply) => {
      const status = await findStatus(reads, callerOf(request).tenantId, request.query.file_id);
      return status ?? reply.code(404).send({ message: 'File not found' });
    },
  );
}
