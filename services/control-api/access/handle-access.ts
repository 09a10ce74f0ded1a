/** Taking tenants, routes and SFTP users out of use and back into it, for operators. */
import { z } from 'zod';
import { type AccessTarget, setAccess } from '#shared/access/disable-access.ts';
import { actorOf } from '#shared/access/permissions.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { reasonField, tenantField, textField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';

const bodySchema = z.strictObject({ reason: reasonField });
const replySchema = z.object({
  disabled: z.boolean(),
  changed: z.boolean().describe('False if it already had this state.'),
});

const tenantParams = z.object({ tenant: tenantField });
const routeParams = z.object({ tenant: tenantField, name: textField(128) });
const userParams = z.object({ username: textField(100) });

const NAMES = { tenant: 'Tenant', route: 'Route', 'sftp-user': 'SFTP user' } as const;

export function handleAccess(app: ApiServer, parts: ApiParts): void {
  for (const verb of ['disable', 'enable'] as const) {
    handleVerb(app, parts, {
      verb,
      path: '/api/v1/tenants/:tenant',
      summary: {
        disable: 'Disable a tenant: its API keys and SFTP users are refused, and files that arrive are quarantined',
        enable: 'Enable a tenant: its API keys, SFTP users and files that arrive are accepted again',
      }[verb],
      params: tenantParams,
      toTarget: ({ tenant }) => ({ kind: 'tenant', tenant }),
    });
    handleVerb(app, parts, {
      verb,
      path: '/api/v1/routes/:tenant/:name',
      summary: {
        disable: 'Disable a route: it takes no new files; existing jobs continue',
        enable: 'Enable a route: it takes new files again',
      }[verb],
      params: routeParams,
      toTarget: ({ tenant, name }) => ({ kind: 'route', tenant, name }),
    });
    handleVerb(app, parts, {
      verb,
      path: '/api/v1/sftp-users/:username',
      summary: {
        disable: 'Disable an SFTP user: open sessions end within a minute',
        enable: 'Enable an SFTP user',
      }[verb],
      params: userParams,
      toTarget: ({ username }) => ({ kind: 'sftp-user', username }),
    });
  }
}

interface VerbOptions<Params extends z.ZodType> {
  readonly verb: 'disable' | 'enable';
  readonly path: string;
  readonly summary: string;
  readonly params: Params;
  readonly toTarget: (params: z.output<Params>) => AccessTarget;
}

function handleVerb<Params extends z.ZodType>(
  app: ApiServer,
  { sql }: ApiParts,
  { verb, path, summary, params, toTarget }: VerbOptions<Params>,
): void {
  app.post(
    `${path}/${verb}`,
    {
      schema: {
        summary,
        tags: ['access'],
        params,
        body: bodySchema,
        response: { 200: replySchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'access:change'));
      const target = toTarget(request.params as z.output<Params>);
      const isDisabled = verb === 'disable';
      const { reason } = request.body as z.output<typeof bodySchema>;
      const result = await setAccess(sql, target, { isDisabled, reason, actor });
      if (result === 'unknown') throw new LongshoreError('NOT_FOUND', `${NAMES[target.kind]} not found`);
      return { disabled: isDisabled, changed: result === 'changed' };
    },
  );
}
