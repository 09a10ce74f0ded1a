/**
 * `/filestatus` in Slack (`POST /slack/filestatus`) and Teams (`POST /teams/filestatus/{webhook}`): customer service asks where a file is.
 *
 * 1. The signature is looked at before anything else is done with a request. A forged, old or repeated one is 401.
 * 2. A workspace sees the files of the tenant that the settings give it, and no other's.
 * 3. The answer leaves within the 3 s that Slack waits. When the database is slow it comes later, to the address that Slack gave.
 * 4. `/filestatus upload` makes a one-time upload link, and `POST /slack/interactions` is where buttons and dialogs of Slack come.
 */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isFromSlack, isFromTeams, OLDEST_MS, type SignedRequest } from '#shared/chat/chat-signatures.ts';
import { LongshoreError } from '#shared/errors.ts';
import { plainText } from '#shared/notices/plain-text.ts';
import { within } from '#shared/runtime/within.ts';
import type { FindStatus } from '../files/find-status.ts';
import type { ApiParts, ApiServer } from '../http/api-server.ts';
import { textField } from '../http/request-fields.ts';
import { useOnce } from '../http/use-once.ts';
import { createReviewLinks, type ReviewParts } from '../reviews/use-review-link.ts';
import type { LandingAccess } from '../uploads/landing-access.ts';
import { createLaterAnswers } from './answer-later.ts';
import { type ChatSettings, teamsSecretName } from './chat-settings.ts';
import { countChatRequests } from './count-chat-requests.ts';
import { askedUpload, createUploadLinks } from './make-upload-link.ts';
import { createReviewDialog } from './review-dialog.ts';
import { type Chat, writeStatus, writeUsage } from './write-answer.ts';

export interface ChatParts extends Pick<ApiParts, 'reads' | 'registry' | 'logger'>, ReviewParts {
  readonly chat: ChatSettings;
  readonly landing: LandingAccess;
  /** As people reach the API, for upload links. */
  readonly publicUrl: string | undefined;
  readonly findStatus: FindStatus;
}

const ANSWER_MS = 2_000;
const COMES_LATER = 'Looking it up: the answer comes in a moment.';
/** A request's time may be 5 minutes ahead of ours, too. */
const REMEMBER_MS = 2 * OLDEST_MS;
const LATE = 'Longshore is slow to answer. Ask again in a moment.';
const UNKNOWN_WORKSPACE = 'This workspace is not connected to Longshore.';

const referenceField = textField(1_200);
const slackBody = z.object({
  team_id: z.string(),
  text: z.string().default(''),
  command: z.string().default('/filestatus'),
  user_id: z.string().max(100).default('?'),
  user_name: z.string().max(100).optional(),
  response_url: z.string().max(1_000).optional(),
});
const interactionBody = z.object({ payload: z.string() });
const teamsBody = z.object({
  text: z.string().default(''),
  timestamp: z.string().default(''),
  from: z.looseObject({ name: z.string().max(200).optional() }).optional(),
});

export async function handleChat(server: ApiServer, parts: ChatParts): Promise<void> {
  const { sql, registry, chat, secrets, logger, findStatus, now = Date.now } = parts;
  const questions = countChatRequests(registry);
  const makeUploadLink = createUploadLinks(parts);
  const later = createLaterAnswers(logger, chat.slack?.responseOrigins);
  const dialog =
    chat.slack === undefined
      ? undefined
      : createReviewDialog({ slack: chat.slack, secrets, links: createReviewLinks(parts) });
  server.addHook('onClose', () => later.stop());

  function refuse(of: Chat): LongshoreError {
    questions.inc({ chat: of, outcome: 'refused' });
    return new LongshoreError('UNAUTHENTICATED', 'The request carries no valid signature, or is old or repeated.', {
      hint: 'Compare the secret in the secret store with that of the app, and the clock of this host with the time.',
    });
  }

  interface Answer {
    readonly text: string;
    readonly isFound: boolean;
  }

  function find(of: Chat, tenantId: string | null, asked: string): Promise<Answer> {
    const reference = referenceField.safeParse(asked);
    const found = reference.success ? findStatus(tenantId, reference.data) : Promise.resolve(undefined);
    return found.then((status) => {
      questions.inc({ chat: of, outcome: status === undefined ? 'not found' : 'found' });
      return { text: writeStatus(of, asked, status), isFound: status !== undefined };
    });
  }

  async function answer(found: Promise<Answer>, of: Chat, isTakenLater: () => boolean): Promise<Answer> {
    const first = await within(found, chat.answerMs ?? ANSWER_MS, () => 'late' as const);
    if (first !== 'late') return first;
    questions.inc({ chat: of, outcome: 'late' });
    return { text: isTakenLater() ? COMES_LATER : LATE, isFound: false };
  }

  async function uploadLink(of: Chat, tenantId: string | null, text: string, by: string): Promise<string> {
    questions.inc({ chat: of, outcome: 'upload link' });
    return await makeUploadLink({ chat: of, tenantId, text, actor: `${of}:${plainText(by, 150)}` });
  }

  /** The body of a request that is Slack's, is young, and comes for the first time. */
  async function takeFromSlack(request: FastifyRequest): Promise<Record<string, string>> {
    const signed = signedRequest(request);
    if (chat.slack === undefined) throw refuse('slack');
    const { text: secret } = await secrets.read(chat.slack.signingSecret);
    if (!isFromSlack(signed, secret, now())) throw refuse('slack');
    if (!(await useOnce(sql, `slack ${signed.headers['x-slack-signature']}`, REMEMBER_MS))) throw refuse('slack');
    return Object.fromEntries(new URLSearchParams(signed.body.toString('utf8')));
  }

  // Its own context: here bodies stay bytes, which is what was signed.
  await server.register(async (app: ApiServer) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      ['application/x-www-form-urlencoded', 'application/json'],
      { parseAs: 'buffer', bodyLimit: 65_536 },
      (_request, body, done) => done(null, body),
    );

    app.post('/slack/filestatus', { schema: { hide: true }, config: { isPublic: true } }, async (request) => {
      const body = slackBody.safeParse(await takeFromSlack(request));
      if (!body.success) throw new LongshoreError('REQUEST_INVALID', 'The body is not that of a slash command.');
      const asked = body.data.text.trim();
      const { team_id: team, user_id: userId, user_name: userName, response_url: responseUrl } = body.data;
      const tenantId = chat.slack?.workspaces.get(team);
      if (tenantId === undefined) {
        questions.inc({ chat: 'slack', outcome: 'unknown workspace' });
        return privately(UNKNOWN_WORKSPACE);
      }
      if (asked === '') return privately(writeUsage('/filestatus'));
      const upload = askedUpload(asked);
      if (upload !== undefined)
        return privately(await uploadLink('slack', tenantId, upload, `${team}:${userName ?? userId}`));
      const found = find('slack', tenantId, asked);
      return inSlack(await answer(found, 'slack', () => later.take(responseUrl, found.then(inSlack))));
    });

    app.post('/slack/interactions', { schema: { hide: true }, config: { isPublic: true } }, async (request, reply) => {
      const body = interactionBody.safeParse(await takeFromSlack(request));
      if (!body.success || dialog === undefined)
        throw new LongshoreError('REQUEST_INVALID', 'The body is not that of an interaction.');
      const answered = await dialog(parseJson(Buffer.from(body.data.payload)));
      return answered ?? (await reply.code(200).send());
    });

    app.post(
      '/teams/filestatus/:webhook',
      { schema: { hide: true, params: z.object({ webhook: z.string() }) }, config: { isPublic: true } },
      async (request) => {
        const signed = signedRequest(request);
        const { webhook } = request.params;
        const tenantId = chat.teamsWebhooks.get(webhook);
        if (tenantId === undefined) throw refuse('teams');
        const { text: token } = await secrets.read(teamsSecretName(webhook));
        if (!isFromTeams(signed, token.trim())) throw refuse('teams');
        const body = teamsBody.safeParse(parseJson(signed.body));
        // The signature has no time of its own, so that of the signed body counts.
        if (!body.success || !(Math.abs(now() - Date.parse(body.data.timestamp)) <= OLDEST_MS)) throw refuse('teams');
        if (!(await useOnce(sql, `teams ${webhook} ${signed.headers.authorization}`, REMEMBER_MS)))
          throw refuse('teams');
        const asked = askedInTeams(body.data.text);
        const upload = askedUpload(asked);
        let text = writeUsage('@Longshore filestatus');
        if (upload !== undefined)
          text = await uploadLink('teams', tenantId, upload, `${webhook}:${body.data.from?.name ?? '?'}`);
        else if (asked !== '') ({ text } = await answer(find('teams', tenantId, asked), 'teams', () => false));
        return { type: 'message', textFormat: 'markdown', text };
      },
    );
  });
}

function inSlack({ text, isFound }: { readonly text: string; readonly isFound: boolean }) {
  return isFound ? { response_type: 'in_channel', text } : privately(text);
}

/** Seen by the person who asked alone. */
function privately(text: string): { readonly response_type: 'ephemeral'; readonly text: string } {
  return { response_type: 'ephemeral', text };
}

function signedRequest(request: FastifyRequest): SignedRequest {
  return { body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0), headers: request.headers };
}

/** `<at>Longshore</at> filestatus orders.csv` asks for `orders.csv`. */
function askedInTeams(text: string): string {
  const entities: Readonly<Record<string, string>> = { nbsp: ' ', amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return text
    .replaceAll(/<at\b[^>]*>.*?<\/at>/gs, ' ')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/&(nbsp|amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '')
    .trim()
    .replace(/^\/?filestatus(?:\s+|$)/i, '')
    .trim();
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
