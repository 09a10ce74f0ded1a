/**
 * `longshore simulate-chat`: asks as Slack or Teams would, signed with the secret of the instance that `npm start` runs. `release <link> <reason>` and
 * `reject <link> <reason>` are what Slack sends after a button of a notice was pressed and its dialog filled in.
 */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { findChatSecret } from '#cli/find-connection.ts';
import { signForSlack, signForTeams } from '#shared/chat/chat-signatures.ts';
import { LongshoreError } from '#shared/errors.ts';

const answerSchema = z.looseObject({ text: z.string() });
const dialogSchema = z.looseObject({
  view: z.looseObject({
    title: answerSchema,
    blocks: z.array(z.looseObject({ text: answerSchema })),
  }),
});
const PRESSED = /^(release|reject) (https?:\/\/\S+) (.+)$/s;

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
      const [, verb = '', link = '', reason = ''] = (chat === 'slack' && PRESSED.exec(text)) || [];
      if (verb !== '') {
        const pressed = pressInSlack({ verb, link, reason, workspace, secret, nowMs: now() });
        const { view } = await api.post(pressed.path, dialogSchema, { signed: pressed });
        if (isJson) return terminal.json(view);
        terminal.line(`${view.title.text}: ${view.blocks.map((block) => block.text.text).join(' ')}`);
        return;
      }
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

function pressInSlack(options: {
  readonly verb: string;
  /** Of the notice: the value of the button. */
  readonly link: string;
  readonly reason: string;
  readonly workspace: string;
  readonly secret: string;
  readonly nowMs: number;
}): Asked {
  const value = new URL(options.link).searchParams.get('link') ?? '';
  const payload = {
    type: 'view_submission',
    team: { id: options.workspace },
    user: { id: 'simulate-chat' },
    view: {
      callback_id: 'longshore-review',
      private_metadata: JSON.stringify([options.verb, value]),
      state: { values: { reason: { text: { value: options.reason } } } },
    },
  };
  const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
  return { path: '/slack/interactions', text: body, headers: slackHeaders(body, options.secret, options.nowMs) };
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
  return { path: '/slack/filestatus', text: body, headers: slackHeaders(body, options.secret, options.nowMs) };
}

function slackHeaders(body: string, secret: string, nowMs: number) {
  return { 'content-type': 'application/x-www-form-urlencoded', ...signForSlack(body, secret, nowMs) };
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
