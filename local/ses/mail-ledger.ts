/**
 * The mails that were taken, as a file of JSON lines: the witness of tests. A mail is in the file before its sender hears of it, so a killed
 * process has forgotten none that anybody knows of.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makePrivate } from '#local/private-file.ts';

export interface TakenMail {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

export interface MailLedger {
  readonly mails: readonly TakenMail[];
  add(mail: TakenMail): void;
  close(): void;
}

/** In memory, for the inbox. */
const BODIES_KEPT = 1_000;

export function openMailLedger(path: string): MailLedger {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = openSync(makePrivate(path), 'a+');
  const bytes = readFileSync(path);
  // A line that a kill cut off: its sender never got a reply.
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
  if (wholeBytes < bytes.length) ftruncateSync(file, wholeBytes);
  const lines = bytes.subarray(0, wholeBytes).toString('utf8').split('\n').slice(0, -1);
  const mails = lines.map((line) => JSON.parse(line) as TakenMail);
  return {
    mails,
    add(mail) {
      writeSync(file, `${JSON.stringify(mail)}\n`);
      mails.push(mail);
      const old = mails.at(-BODIES_KEPT);
      // The file has them all.
      if (old !== undefined) mails[mails.length - BODIES_KEPT] = { ...old, html: '', text: '' };
    },
    close: () => closeSync(file),
  };
}
