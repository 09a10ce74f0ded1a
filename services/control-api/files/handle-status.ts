/** `GET /status`: where one file is, for partners' programs. */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { cachePrivately } from '../http/cache-privately.ts';
import { errorBodySchema } from '../http/error-reply.ts';
import { textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { type FindStatus, fileStatusSchema } from './find-status.ts';

/** The wording that partners' programs know. */
const NOT_FOUND = 'File not found';

export function handleStatus(app: ApiServer, findStatus: FindStatus): void {
  app.get(
    '/status',
    {
      onSend: cachePrivately,
      schema: {
        summary: 'Where a file is',
        tags: ['files'],
        querystring: z.object({
          file_id: textField(1_200).describe('Id, name or path of the file. For a name or path, the newest such file.'),
        }),
        response: {
          200: fileStatusSchema,
          404: errorBodySchema.extend({ message: z.literal(NOT_FOUND) }),
          ...errorReplies,
        },
      },
    },
    async (request) => {
      const status = await findStatus(callerOf(request).tenantId, request.query.file_id);
      if (status === undefined) throw new LongshoreError('NOT_FOUND', NOT_FOUND);
      return status;
    },
  );
}
