import { createTransport } from 'nodemailer';
import { describe, expect, test } from 'vitest';
import { readMailbox, writeMailbox } from './mailbox.ts';

const ADDRESS = 'news@mail.globex.example';

/** As a mail client shows it. */
function shown(header: string): string {
  const name = header.slice(0, -` <${ADDRESS}>`.length);
  if (name.startsWith('"')) return name.slice(1, -1).replace(/\\(.)/g, '$1');
  return name.replace(/=\?UTF-8\?B\?([^?]+)\?=(?: (?==\?))?/g, (_word, text: string) =>
    new TextDecoder('utf8', { fatal: true }).decode(Buffer.from(text, 'base64')),
  );
}

describe('mailboxes in headers', () => {
  test.each([
    ['an address', ADDRESS, ''],
    ['a name of letters and blanks', `Globex Bank <${ADDRESS}>`, 'Globex Bank'],
    ['umlauts', `Müller & Söhne <${ADDRESS}>`, 'Müller & Söhne'],
    ['a comma', `Globex, Bank <${ADDRESS}>`, 'Globex, Bank'],
    ['a comma that is quoted', `"Globex, Bank" <${ADDRESS}>`, 'Globex, Bank'],
    ['umlauts that are quoted', `"Grüße, Bank" <${ADDRESS}>`, 'Grüße, Bank'],
    ['quotes and backslashes', `The "good" \\ bank <${ADDRESS}>`, 'The "good" \\ bank'],
    ['a long name of other scripts', `${'銀行🏦'.repeat(20)} <${ADDRESS}>`, '銀行🏦'.repeat(20)],
  ])('%s', async (_what, text, name) => {
    const mailbox = readMailbox(text);
    expect(mailbox).toEqual({ name, address: ADDRESS });
    const header = writeMailbox(mailbox);
    expect(header).toMatch(/^[\x20-\x7e]+$/);
    expect(header.split(' ').filter((word) => word.length > 75)).toEqual([]);
    expect(shown(header)).toBe(name);
    const { envelope } = await createTransport({ jsonTransport: true }).sendMail({ from: header, to: ADDRESS });
    expect(envelope).toEqual({ from: ADDRESS, to: [ADDRESS] });
  });
});
