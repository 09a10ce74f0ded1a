/** The inbox as pages: a list, and one mail. */
import type { TakenMail } from './mail-ledger.ts';

const SHOWN = 200;

/** Undefined: no such page. */
export function writeInbox(mails: readonly TakenMail[], path: string): string | undefined {
  if (path === '/') return listPage(mails);
  const mail = mails.find(({ id }) => path === `/mails/${id}`);
  return mail === undefined ? undefined : mail.html;
}

function listPage(mails: readonly TakenMail[]): string {
  const rows = mails
    .slice(-SHOWN)
    .reverse()
    .map(
      ({ id, at, to, subject }) =>
        `<tr><td>${at}</td><td>${escaped(to)}</td><td><a href="/mails/${id}">${escaped(subject)}</a></td></tr>`,
    );
  return `<!doctype html><title>Inbox</title><h1>${mails.length} mails</h1><table>${rows.join('')}</table>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
