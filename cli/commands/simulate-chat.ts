/**
 * `longshore simulate-chat`: asks as Slack or Teams would, signed with the secret of the instance that `npm start` runs. `release <link> <reason>` and
 * `reject <link> <reason>` are what Slack sends after a button of a notice was pressed and its dialog filled in. `notices` shows what a channel
 * of that instance took.
 */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { findChatSecret, readChatNotices } from '#cli/find-connection.ts';
import { signForSlack, signForTeams } from '#shared/chat/chat-signatures.ts';
import { LongshoreError } from '#shared/errors.ts';
import { parseJson } from '#shared/text/parse-json.ts';

const answerSchema = z.looseObject({ text: z.string() });
const dialogSchema = z.looseObject({
  view: z.looseObject({
    title: answerSchema,
    blocks: z.array(z.looseObject({ text: answerSchema })),
  }),
});
/** The link of a notice, or the value of its button, which is the same without the address. */
const PRESSED = /^(release|reject) (https?:\/\/\S+|[\w-]{60,}\.[\w-]{43}) (.+)$/s;

export function addSimulateChat(program: Command, cli: Cli): void {
  addCommand<{ secretFile?: string; workspace: string; webhook: string }>(program, cli, {
    usage: 'simulate-chat <chat> [text]',
    description:
      'ask where a file is as slack or teams would, signed, or show the notices of its channel; for an instance without either',
    define: (command) =>
      command
        .option('--secret-file <file>', 'signing secret of the Slack app, or security token of the Teams webhook')
        .option('--workspace <id>', 'of Slack', 'TLOCAL')
        .option('--webhook <name>', 'of Teams', 'local'),
    run: async ({ api, isJson, terminal, config, now }, { secretFile, workspace, webhook }, [chat = '', text = '']) => {
      if (chat === 'notices') {
        const notices = readNotices(await readChatNotices(config));
        if (isJson) return terminal.json(notices);
        for (const line of notices.flatMap(describeNotice)) terminal.line(line);
        if (notices.length === 0) terminal.line('No notice came yet.');
        return;
      }
      if (chat !== 'slack' && chat !== 'teams')
        throw new LongshoreError('USAGE', `${JSON.stringify(chat)} is not a chat.`, {
          hint: 'Give slack or teams, or notices.',
        });
      if (text === '')
        throw new LongshoreError('USAGE', 'There is no text.', { hint: 'Give the id, name or path of a file.' });
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

const shownText = z.looseObject({ text: z.string() });
const noticeSchema = z.looseObject({
  at: z.string(),
  channel: z.string(),
  blocks: z.array(
    z.looseObject({
      text: shownText.optional(),
      elements: z
        .array(z.looseObject({ text: shownText, url: z.string().optional(), value: z.string().optional() }))
        .optional(),
    }),
  ),
});
type Notice = z.infer<typeof noticeSchema>;
const SHOWN_NOTICES = 20;

/** The newest last. A line that was cut off by a kill is left out. */
function readNotices(text: string): Notice[] {
  return text
    .split('\n')
    .slice(-SHOWN_NOTICES - 1)
    .flatMap((line) => noticeSchema.safeParse(parseJson(line)).data ?? []);
}

/** What Slack shows, and for each button what presses it. */
function describeNotice({ at, channel, blocks }: Notice): string[] {
  const press = (verb: string, value: string) => `    longshore simulate-chat slack "${verb} ${value} REASON"`;
  return [
    `${at} ${channel}`,
    ...blocks.flatMap(({ text, elements = [] }) => [
      ...(text === undefined ? [] : [`  ${unescaped(text.text)}`]),
      ...elements.flatMap(({ text: { text: title }, url, value }) => [
        `  [${unescaped(title)}]${url === undefined ? '' : ` ${url}`}`,
        ...(url === undefined ? [] : [press('release', url), press('reject', url)]),
        ...(value === undefined ? [] : [press(title.toLowerCase().split(' ')[0] ?? '', value)]),
      ]),
    ]),
  ];
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
  const value = URL.canParse(options.link) ? (new URL(options.link).searchParams.get('link') ?? '') : options.link;
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

/** Slack reads three characters; a file's name has them escaped. */
function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
