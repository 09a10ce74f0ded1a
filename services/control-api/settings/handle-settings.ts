/** `GET /api/v1/settings`: the rules that this instance was started with, for operators. They are changed where it is deployed. */
import { type Setting, settingsReplySchema } from '#shared/api/settings.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { callerWith } from '../http/request-guard.ts';

export function handleSettings(app: ApiServer, { settings = [] }: { readonly settings?: readonly Setting[] }): void {
  app.get(
    '/api/v1/settings',
    {
      schema: {
        summary: 'Rules of this instance, and where each comes from',
        description:
          'Approvals, reasons, sign-in, chat and limits, as the control API was started with them. Secrets are shown by their names.',
        tags: ['operations'],
        response: { 200: settingsReplySchema, ...errorReplies },
      },
    },
    async (request) => {
      callerWith(request, 'settings:read');
      return { settings: [...settings] };
    },
  );
}
