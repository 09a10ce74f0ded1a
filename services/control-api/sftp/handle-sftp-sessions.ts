/** `GET /api/v1/sftp-sessions`: who was connected, from where, and what they did. A tenant sees its own. */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { textCursorField } from '../http/page-cursor.ts';
import { flagField, instantField, limitField, tenantField, textField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';
import { actionSchema, findSftpSession, findSftpSessions, sessionSchema } from './find-sftp-sessions.ts';

const sessionsSchema = z.object({ sessions: z.array(sessionSchema), next_cursor: z.string().nullable() });
const detailSchema = sessionSchema
  .extend({ actions: z.array(actionSchema), next_cursor: z.string().nullable().describe('Of the actions.') })
  .meta({ id: 'SftpSessionWithActions' });

export function handleSftpSessions(app: ApiServer, { sql }: Pick<ApiParts, 'sql'>): void {
  app.get(
    '/api/v1/sftp-sessions',
    {
      schema: {
        summary: 'SFTP sessions, newest first',
        description: 'A session appears with its first action; connections that did nothing are in the logs only.',
        tags: ['access'],
        querystring: z.strictObject({
          tenant: tenantField.optional(),
          username: textField(200).optional(),
          client_ip: textField(100).optional(),
          failed: flagField.describe('Only sessions in which something failed.'),
          from: instantField.optional().describe('Begun at this instant or later, RFC 3339.'),
          to: instantField.optional().describe('Begun before this instant.'),
          cursor: textCursorField.optional(),
          limit: limitField,
        }),
        response: { 200: sessionsSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenant, client_ip: clientIp, cursor, ...rest } = request.query;
      const tenantId = scopeOf(callerOf(request), tenant);
      if (tenantId === undefined) return { sessions: [], next_cursor: null };
      return await findSftpSessions(sql, { ...rest, tenantId, clientIp, after: cursor });
    },
  );

  app.get(
    '/api/v1/sftp-sessions/:id',
    {
      schema: {
        summary: 'One SFTP session with its actions, oldest first',
        tags: ['access'],
        params: z.object({ id: textField(200) }),
        querystring: z.strictObject({ cursor: textCursorField.optional(), limit: limitField }),
        response: { 200: detailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { cursor, limit } = request.query;
      const { tenantId } = callerOf(request);
      const session = await findSftpSession(sql, { id: request.params.id, tenantId, after: cursor, limit });
      if (session === undefined) throw new LongshoreError('NOT_FOUND', 'SFTP session not found');
      return session;
    },
  );
}
