/** What the chat answers, in the words that customer service knows. Pure. */
import { plainText } from '#shared/notices/plain-text.ts';
import type { FileStatusReply } from '../files/find-status.ts';

export type Chat = 'slack' | 'teams';

const LONGEST = 300;

/** `asked` is what was typed; names come from partners, so nothing in them is mark-up, a mention or a link. */
export function writeStatus(chat: Chat, asked: string, status: FileStatusReply | undefined): string {
  const name = escapeFor(chat, plainText(asked, LONGEST));
  const bold = (text: string) => (chat === 'slack' ? `*${text}*` : `**${text}**`);
  if (status === undefined) return `⚠️ File ID ${bold(name)} not found.`;
  const lines = [
    `📁 File: ${bold(name)}`,
    `Status: ${bold(status.status)}`,
    `Processed By: ${escapeFor(chat, status.processed_by ?? '-')}`,
  ];
  // Markdown reads one line end as a space.
  return lines.join(chat === 'slack' ? '\n' : '\n\n');
}

export function writeUsage(command: string): string {
  return `Usage: ${command} <file id, name or path>`;
}

/** Slack reads three characters; Teams reads HTML and Markdown. */
export function escapeFor(chat: Chat, text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return chat === 'slack' ? escaped : escaped.replaceAll(/[\\`*_[\]()~|]/g, '\\$&');
}
