/** Which workspaces and webhooks of chats are known, and whose files each may ask about. */
import { z } from 'zod';
import { idSchema, ownSecretNameSchema } from '#shared/definitions/name-schemas.ts';

/** `T012AB3CD=acme,T045EF6GH=*`: a workspace or webhook, and the tenant whose files it sees; `*` sees every tenant's. */
function tenantsVariable(name: RegExp) {
  return z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((pair) => pair.trim().split('='))
        .filter(([left = '']) => left !== ''),
    )
    .refine(
      (pairs) =>
        pairs.every(
          ([left = '', right = '', ...rest]) =>
            rest.length === 0 && name.test(left) && (right === '*' || idSchema.safeParse(right).success),
        ),
      { error: 'must be pairs NAME=TENANT with commas between; * is every tenant' },
    )
    .transform((pairs) => new Map(pairs.map(([left = '', right]) => [left, right === '*' ? null : (right ?? '')])));
}

export const chatVariables = {
  LONGSHORE_SLACK_SIGNING_SECRET: ownSecretNameSchema
    .optional()
    .describe('Name in the secret store of the signing secret of the Slack app. Slack is refused without it.'),
  LONGSHORE_SLACK_BOT_TOKEN: ownSecretNameSchema
    .optional()
    .describe(
      'Name in the secret store of the bot token of the Slack app, for the dialogs of Release and Reject ([chat](../guides/chat.md#release-and-reject)).',
    ),
  LONGSHORE_SLACK_WORKSPACES: tenantsVariable(/^[A-Z0-9]{2,32}$/)
    .prefault('')
    .describe(
      'Slack workspaces and the tenant whose files each sees, e.g. `T012AB3CD=acme,T045EF6GH=*`; `*` is every tenant ([chat](../guides/chat.md)).',
    ),
  LONGSHORE_TEAMS_WEBHOOKS: tenantsVariable(/^[a-z0-9][a-z0-9-]{0,62}$/)
    .prefault('')
    .describe(
      'Outgoing webhooks of Teams and the tenant whose files each sees, `NAME=TENANT`. The URL of one is `/teams/filestatus/NAME`, its security token the secret `chat/teams-NAME`.',
    ),
};

export interface ChatSettings {
  readonly slack?:
    | {
        readonly signingSecret: string;
        readonly workspaces: ReadonlyMap<string, string | null>;
        readonly botToken?: string | undefined;
        /** Slack's own unless said. */
        readonly apiUrl?: string;
        readonly responseOrigins?: readonly string[];
      }
    | undefined;
  /** Before an answer is sent later, if it can be. */
  readonly answerMs?: number;
  readonly teamsWebhooks: ReadonlyMap<string, string | null>;
}

export function chatSettingsOf(config: {
  readonly LONGSHORE_SLACK_SIGNING_SECRET?: string | undefined;
  readonly LONGSHORE_SLACK_BOT_TOKEN?: string | undefined;
  readonly LONGSHORE_SLACK_WORKSPACES: ReadonlyMap<string, string | null>;
  readonly LONGSHORE_TEAMS_WEBHOOKS: ReadonlyMap<string, string | null>;
}): ChatSettings {
  const signingSecret = config.LONGSHORE_SLACK_SIGNING_SECRET;
  return {
    slack:
      signingSecret === undefined
        ? undefined
        : {
            signingSecret,
            workspaces: config.LONGSHORE_SLACK_WORKSPACES,
            botToken: config.LONGSHORE_SLACK_BOT_TOKEN,
          },
    teamsWebhooks: config.LONGSHORE_TEAMS_WEBHOOKS,
  };
}

export function teamsSecretName(webhook: string): string {
  return `chat/teams-${webhook}`;
}
