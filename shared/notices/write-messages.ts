/**
 * What is sent to each kind of channel. Pure.
 *
 * 1. People's channels get text blocks of the kind that has no mark-up, so that nothing in a name becomes a mention or a link.
 * 2. A digest has one line for each notice; what does not fit is counted, and reported in full by the API.
 */

import { describeNotice, type Reader, type StoredNotice } from './describe-notice.ts';
import { plainText } from './plain-text.ts';

export interface NoticeDelivery {
  /** Stable over all tries: the event's id, of a digest that of its first event. */
  readonly id: string;
  readonly tenantId: string;
  /** Empty for a channel of the tenant. */
  readonly route: string;
  readonly channel: string;
  readonly notices: readonly StoredNotice[];
  /** Of the channel; of operators when absent. */
  readonly reader?: Reader | undefined;
}

/** Slack takes 3,000 characters in a block and 50 blocks, Teams 28 KB in all. */
const MOST_LINES = 20;
const MOST_SUBJECT = 150;
/** Slack takes 75 characters on a button. */
const LONGEST_TITLE = 40;
const MOST_TEAMS_ACTIONS = 6;

export function titleOf({ tenantId, notices }: NoticeDelivery): string {
  if (notices.length !== 1) return `${tenantId}: ${notices.length} notices`;
  return `${tenantId}: ${notices[0]?.notice}`;
}

export function linesOf({ notices, reader }: NoticeDelivery): string[] {
  const lines = notices.slice(0, MOST_LINES).map((stored) => describeNotice(stored, reader));
  const more = notices.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

/** For programs: all of it. */
export function writeWebhookBody(delivery: NoticeDelivery): string {
  const { id, tenantId, route, channel, notices, reader } = delivery;
  const described = notices.map((stored) => ({ ...stored, text: describeNotice(stored, reader) }));
  return JSON.stringify({ id, version: 1, tenantId, channel, ...(route !== '' && { route }), notices: described });
}

/** https://api.slack.com/messaging/webhooks; `text` is what a notification on a telephone shows. */
export function writeSlackBody(delivery: NoticeDelivery, { hasButtons = false } = {}): string {
  const write = hasButtons ? writeSlackVerbs : writeSlackLink;
  const title = titleOf(delivery);
  const plain = (text: string) => ({
    type: 'section',
    text: { type: 'plain_text', text: escapeSlack(text), emoji: false },
  });
  return JSON.stringify({
    text: escapeSlack(title),
    mrkdwn: false,
    link_names: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [...[title, ...linesOf(withoutUrls(delivery))].map(plain), ...reviewsOf(delivery).map(write)],
  });
}

/** An adaptive card, which Teams' workflows and its older connectors take. Text runs, unlike text blocks, have no Markdown. */
export function writeTeamsBody(delivery: NoticeDelivery): string {
  const run = (text: string, weight: 'Bolder' | 'Default') => ({
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text: withoutTags(text), weight }],
  });
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [run(titleOf(delivery), 'Bolder'), ...linesOf(withoutUrls(delivery)).map((line) => run(line, 'Default'))],
    actions: reviewsOf(delivery)
      .slice(0, MOST_TEAMS_ACTIONS)
      .map(({ title, url }) => ({ type: 'Action.OpenUrl', title: withoutTags(title), url })),
  };
  return JSON.stringify({
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content }],
  });
}

export function writeMail(delivery: NoticeDelivery): { readonly subject: string; readonly text: string } {
  const [first = ''] = linesOf(delivery);
  const subject = delivery.notices.length === 1 ? `${delivery.tenantId}: ${first}` : titleOf(delivery);
  return {
    subject: `[Longshore] ${subject}`.slice(0, MOST_SUBJECT).toWellFormed(),
    text: `${linesOf(delivery).join('\n')}\n`,
  };
}

/** A button has the address in place of the text. */
function withoutUrls(delivery: NoticeDelivery): NoticeDelivery {
  return { ...delivery, notices: delivery.notices.map(({ reviewUrl: _, ...stored }) => stored) };
}

interface Review {
  readonly name: string;
  readonly title: string;
  readonly url: string;
}

function reviewsOf({ notices }: NoticeDelivery): Review[] {
  return notices.slice(0, MOST_LINES).flatMap(({ reviewUrl: url, file }) => {
    if (url === undefined) return [];
    const name = plainText(file?.name ?? 'the file', LONGEST_TITLE);
    return [{ name, title: `Release or reject ${name}`, url }];
  });
}

function writeSlackLink({ title, url }: Review): object {
  return {
    type: 'actions',
    elements: [{ type: 'button', text: { type: 'plain_text', text: escapeSlack(title), emoji: false }, url }],
  };
}

/** The value is the review link: the control API checks it as it checks that of the page. */
function writeSlackVerbs({ name, url }: Review): object {
  const button = (verb: 'Release' | 'Reject') => ({
    type: 'button',
    action_id: `longshore-${verb.toLowerCase()}`,
    text: { type: 'plain_text', text: escapeSlack(`${verb} ${name}`), emoji: false },
    value: new URL(url).searchParams.get('link'),
  });
  return { type: 'actions', elements: [button('Release'), button('Reject')] };
}

/** The three characters that Slack reads (https://api.slack.com/reference/surfaces/formatting#escaping). */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** `<at>` is how Teams writes a mention. */
function withoutTags(text: string): string {
  return text.replaceAll('<', '‹').replaceAll('>', '›');
}
