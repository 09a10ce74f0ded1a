/** `longshore simulate-chat`: asks as Slack or Teams would, signed with the secret of the instance that `npm start` runs. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { findChatSecret } from '#cli/find-connection.ts';
import { signForSlack, signForTeams } from '#shared/chat/chat-signatures.ts';
import { LongshoreError } from '#shared/errors.ts';

const answerSchema = z.looseObject({ text: z.string() });

export function addSimulateChat(program: Command, cli: Cli): void {
  addCommand<{ secretFile?: string; workspace: string; webhook: string }>(program, cli, {
    usage: 'simulate-chat <chat> <text>',
    description: 'ask where a file is as slack or teams would, signed; for an instance without either',
    define: (command) =>
      command
        .option('--secret-file <file>', 'signing secret of the Slack app, or security token of the Teams webhook')
        .option('--workspace <id>', 'of Slack', 'TLOCAL')
        .option('--webhook <name>', 'of Teams', 'local'),
    run: async ({ api, isJson, terminal, config, now }, { secretFile, workspace, webhook }, [chat = '', text = '']) => {
      if (chat !== 'slack' && chat !== 'teams')
        throw new LongshoreError('USAGE', `${JSON.stringify(chat)} is not a chat.`, { hint: 'Give slack or teams.' });
      const secret = await findChatSecret(chat, secretFile, config);
      const asked =
        chat === 'slack'
          ? askSlack({ text, workspace, secret, nowMs: now() })
          : askTeams({ text, webhook, secret, nowMs: now() });
      const answer = await api.post(asked.path, answerSchema, { signed: asked });
      if (isJson) return terminal.json(answer);
      for (const line of answer.text.split('\n')) terminal.line(line);
    },
  });
}

interface Asked {
  readonly path: string;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

function askSlack(options: {
  readonly text: string;
  readonly workspace: string;
  readonly secret: string;
  readonly nowMs: number;
}): Asked {
  const body = new URLSearchParams({
    team_id: options.workspace,
    user_name: 'simulate-chat',
    command: '/filestatus',
    text: options.text,
    trigger_id: randomUUID(),
  }).toString();
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    ...signForSlack(body, options.secret, options.nowMs),
  };
  return { path: '/slack/filestatus', text: body, headers };
}

function askTeams(options: {
  readonly text: string;
  readonly webhook: string;
  readonly secret: string;
  readonly nowMs: number;
}): Asked {
  const body = JSON.stringify({
    type: 'message',
    id: randomUUID(),
    timestamp: new Date(options.nowMs).toISOString(),
    from: { name: 'simulate-chat' },
    text: `<at>Longshore</at> ${escapeHtml(options.text)}`,
  });
  const headers = { 'content-type': 'application/json', ...signForTeams(body, options.secret) };
  return { path: `/teams/filestatus/${encodeURIComponent(options.webhook)}`, text: body, headers };
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
