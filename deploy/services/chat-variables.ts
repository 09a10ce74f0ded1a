/** What the control API is given about chats. */
import type { DeploySettings } from '../settings.ts';

export function chatVariables({ chat }: Pick<DeploySettings, 'chat'>): Record<string, string> {
  if (chat === undefined) return {};
  const { slack, teams } = chat;
  return {
    ...(slack !== undefined && {
      LONGSHORE_SLACK_SIGNING_SECRET: slack.signingSecret,
      LONGSHORE_SLACK_WORKSPACES: pairsOf(slack.workspaces),
      ...(slack.botToken !== undefined && { LONGSHORE_SLACK_BOT_TOKEN: slack.botToken }),
    }),
    ...(Object.keys(teams).length > 0 && { LONGSHORE_TEAMS_WEBHOOKS: pairsOf(teams) }),
  };
}

function pairsOf(tenants: Readonly<Record<string, string>>): string {
  return Object.entries(tenants)
    .map(([name, tenant]) => `${name}=${tenant}`)
    .join(',');
}
