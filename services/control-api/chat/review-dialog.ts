/**
 * Buttons of held notices in Slack: a press opens a dialog that asks for the reason, and the dialog releases or rejects the file.
 *
 * 1. The value of a button is the notice's review link, so it is for that one job, for two days, and counts once.
 * 2. Only a workspace that sees the tenant may use it. Who did it is in the audit as `slack:<workspace>:<user>`.
 */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { plainText } from '#shared/notices/plain-text.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { plainTextField, reasonField } from '../http/request-fields.ts';
import { type createReviewLinks, REVIEW_TEXTS, type ReviewVerb } from '../reviews/use-review-link.ts';
import type { ChatSettings } from './chat-settings.ts';

const SLACK_API = 'https://slack.com/api';
/** Slack forgets what a dialog is for after 3 s. */
const OPEN_MS = 2_500;
const ACTION = /^longshore-(release|reject)$/;
const DIALOG = 'longshore-review';
const REASON = { block: 'reason', action: 'text' } as const;

const sender = {
  team: z.object({ id: z.string() }),
  user: z.object({
    id: z.string().max(40),
    username: z.string().max(100).optional(),
    name: z.string().max(100).optional(),
  }),
};
const pressSchema = z.object({
  type: z.literal('block_actions'),
  ...sender,
  trigger_id: z.string().max(300),
  actions: z.array(z.object({ action_id: z.string(), value: z.string().max(2_000).optional() })).min(1),
});
const submitSchema = z.object({
  type: z.literal('view_submission'),
  ...sender,
  view: z.object({
    callback_id: z.literal(DIALOG),
    private_metadata: z.string().max(3_000),
    state: z.object({
      values: z.record(z.string(), z.record(z.string(), z.looseObject({ value: z.string().nullish() }))),
    }),
  }),
});
const keptSchema = z.tuple([z.enum(['release', 'reject']), z.string().max(2_000)]);
const openedSchema = z.looseObject({ ok: z.boolean(), error: z.string().max(100).optional() });

export interface ReviewDialogParts {
  readonly slack: NonNullable<ChatSettings['slack']>;
  readonly secrets: SecretStore;
  readonly links: ReturnType<typeof createReviewLinks>;
}

/** What Slack is answered: an empty body, or what is to become of the dialog. */
export type DialogAnswer =
  | undefined
  | { readonly response_action: 'update' | 'errors'; readonly [field: string]: unknown };

export function createReviewDialog({ slack, secrets, links }: ReviewDialogParts) {
  /** Undefined: the link does not count, or not in this workspace. */
  async function reviewOf(link: string, workspace: string) {
    const tenant = slack.workspaces.get(workspace);
    const review = tenant === undefined ? undefined : await links.read(link);
    if (review === undefined) return undefined;
    return tenant === null || review.channel.split('/')[0] === tenant ? review : undefined;
  }

  async function press({ actions, team, trigger_id: trigger }: z.output<typeof pressSchema>): Promise<void> {
    const [action] = actions;
    const verb = ACTION.exec(action?.action_id ?? '')?.[1] as ReviewVerb | undefined;
    // A button that only leads to a page is reported, too.
    if (verb === undefined || action?.value === undefined) return;
    const review = await reviewOf(action.value, team.id);
    const view = review === undefined ? wordView('Not valid', REVIEW_TEXTS.invalid) : askView(verb, action.value);
    await open(trigger, view);
  }

  async function open(trigger: string, view: object): Promise<void> {
    if (slack.botToken === undefined)
      throw new LongshoreError('SECRET_UNAVAILABLE', 'Dialogs of Slack need LONGSHORE_SLACK_BOT_TOKEN.');
    const { text: token } = await secrets.read(slack.botToken);
    const response = await fetch(`${slack.apiUrl ?? SLACK_API}/views.open`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({ trigger_id: trigger, view }),
      redirect: 'error',
      signal: AbortSignal.timeout(OPEN_MS),
    }).catch((cause: unknown) => {
      throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'Slack cannot be reached.', { cause });
    });
    const opened = openedSchema.safeParse(await response.json().catch(() => undefined));
    if (opened.data?.ok === true) return;
    const why = opened.data?.error ?? `status ${response.status}`;
    throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `Slack did not open the dialog: ${plainText(why, 100)}.`);
  }

  async function submit({ team, user, view }: z.output<typeof submitSchema>): Promise<DialogAnswer> {
    const kept = keptSchema.safeParse(parse(view.private_metadata));
    const given = view.state.values[REASON.block]?.[REASON.action]?.value ?? '';
    const reason = reasonField.pipe(plainTextField(500)).safeParse(given);
    const fault = reason.success ? links.findFault(reason.data) : 'Give a reason, of at most 500 characters.';
    if (!reason.success || fault !== undefined) return { response_action: 'errors', errors: { [REASON.block]: fault } };
    const review = kept.success ? await reviewOf(kept.data[1], team.id) : undefined;
    if (!kept.success || review === undefined) return update('Not valid', REVIEW_TEXTS.invalid);
    const [verb, link] = kept.data;
    const name = user.username ?? user.name ?? user.id;
    const actor = `slack:${team.id}:${plainText(name, 100)}`;
    const result = await links.use({ verb, link, review, actor, reason: reason.data });
    if (result !== 'done') return update('Nothing was done', REVIEW_TEXTS[result]);
    return update(verb === 'release' ? 'Released' : 'Rejected', REVIEW_TEXTS[verb]);
  }

  return async (payload: unknown): Promise<DialogAnswer> => {
    const pressed = pressSchema.safeParse(payload);
    if (pressed.success) {
      await press(pressed.data);
      return undefined;
    }
    const submitted = submitSchema.safeParse(payload);
    if (!submitted.success)
      throw new LongshoreError('REQUEST_INVALID', 'The payload is neither a press of a button nor our dialog.');
    return await submit(submitted.data);
  };
}

const plain = (text: string) => ({ type: 'plain_text', text, emoji: false });

function askView(verb: ReviewVerb, link: string): object {
  const title = verb === 'release' ? 'Release the file' : 'Reject the file';
  return {
    type: 'modal',
    callback_id: DIALOG,
    private_metadata: JSON.stringify([verb, link]),
    title: plain(title),
    submit: plain(verb === 'release' ? 'Release' : 'Reject'),
    close: plain('Cancel'),
    blocks: [
      {
        type: 'input',
        block_id: REASON.block,
        label: plain('Reason, kept in the audit'),
        element: {
          type: 'plain_text_input',
          action_id: REASON.action,
          multiline: true,
          min_length: 1,
          max_length: 500,
        },
      },
    ],
  };
}

function wordView(title: string, text: string): object {
  return {
    type: 'modal',
    title: plain(title),
    close: plain('Close'),
    blocks: [{ type: 'section', text: plain(text) }],
  };
}

function update(title: string, text: string): DialogAnswer {
  return { response_action: 'update', view: wordView(title, text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
