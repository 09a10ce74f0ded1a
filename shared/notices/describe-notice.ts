/** A notice in words for a person: one line, with what to do next where something is to be done. Pure. */
import prettyBytes from 'pretty-bytes';
import { explainToSender } from '#shared/explain-to-sender.ts';
import { plainText } from './plain-text.ts';

/** Operators have codes and commands; senders the words of the portal. */
export type Reader = 'operator' | 'sender';

export interface StoredNotice {
  readonly notice: string;
  /** As published, see `docs/reference/events.md`. */
  readonly event: {
    readonly id: string;
    readonly type: string;
    readonly time: string;
    readonly actor: string;
    readonly jobId?: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
  /** Null when the event is of no file. */
  readonly file: {
    readonly id: string;
    readonly name: string;
    readonly key: string;
    readonly sizeBytes: number;
  } | null;
  /** Of a held file, to a channel whose people may release and reject it. */
  readonly reviewUrl?: string;
  /** The file's, or the one that the event is of. */
  readonly jobs: readonly { readonly id: string; readonly route: string; readonly state: string }[];
}

const NAME_LENGTH = 200;
const WORDS_LENGTH = 500;

export function describeNotice(stored: StoredNotice, reader: Reader = 'operator'): string {
  const forSender = reader === 'sender' ? describeToSender(stored) : undefined;
  return forSender ?? describeToOperator(stored);
}

function describeToOperator(stored: StoredNotice): string {
  const { notice, event, file } = stored;
  const name = file === null ? 'A file' : plainText(file.name, NAME_LENGTH);
  const size = file === null ? '' : ` (${prettyBytes(file.sizeBytes)})`;
  const words = (key: string) => plainText(String(event.data[key] ?? ''), WORDS_LENGTH);
  switch (notice) {
    case 'large-file':
      return `${name}${size} is large; it was taken by ${routesOf(stored)}.`;
    case 'held': {
      if (stored.reviewUrl !== undefined)
        return `${name}${size} waits for a person. Release or reject it: ${stored.reviewUrl}`;
      const job = event.jobId ?? '';
      return `${name}${size} waits for a person: longshore release ${job} --reason "...", or reject.`;
    }
    case 'released':
      return `${name} continues: ${plainText(event.actor, NAME_LENGTH)} released it: ${words('reason')}`;
    case 'failed':
      return `${name} ${event.type === 'file.quarantined' ? 'was set aside' : 'failed'}: ${words('code')} ${words('cause')}. ${words('message')}`;
    case 'completed':
      return `${name}${size} was processed by ${routesOf(stored)}.`;
    case 'records-done':
      return `The records of ${name} ended: ${countsOf(event.data.records)}.`;
    case 'receipt-issued':
      return `The receipt of ${name} was issued.`;
    case 'expected-at-risk':
      return `${expectedOf(stored)} may be late: ${arrivedOf(event.data)}, due ${words('dueAt')}.`;
    case 'expected-late':
      return `${expectedOf(stored)} is late: ${arrivedOf(event.data)}, due ${words('dueAt')}.`;
    case 'expected-missed':
      return `${expectedOf(stored)} was missed: ${arrivedOf(event.data)} until ${words('closesAt')}.`;
    case 'expected-odd':
      return `${expectedOf(stored)} is odd: ${words('oddities')}; ${arrivedOf(event.data)}.`;
    case 'batch-done':
    case 'batch-failed':
      return describeBatch(event.data);
    case 'campaign-started':
      return `${campaignOf(stored)} is being sent.`;
    case 'campaign-held':
      return `${campaignOf(stored)} is held: ${words('reason')}. Continue with it: longshore campaigns resume ${words('campaignId')}`;
    case 'campaign-sent':
      return `${campaignOf(stored)} was sent: ${countsOf(event.data.records)}.`;
    case 'campaign-done':
      return `${campaignOf(stored)} is done; no more reports are expected.`;
    case 'mail-bounced':
      return `A mail bounced for good: campaign ${words('campaignId')}, line ${words('line')}.`;
    case 'mail-complained':
      return `A recipient complained of a mail: campaign ${words('campaignId')}, line ${words('line')}.`;
    case 'mail-unsubscribed':
      return `A recipient unsubscribed from ${words('topic')}: campaign ${words('campaignId')}, line ${words('line')}.`;
    default:
      return `${name}: ${plainText(event.type, NAME_LENGTH)}.`;
  }
}

/** What an operator reads has codes or commands in it; undefined where it has none. */
function describeToSender(stored: StoredNotice): string | undefined {
  const { notice, event, file, reviewUrl } = stored;
  const name = file === null ? 'A file' : plainText(file.name, NAME_LENGTH);
  const textOf = (key: string) => {
    const value = event.data[key];
    return value === null || value === undefined ? null : plainText(String(value), WORDS_LENGTH);
  };
  switch (notice) {
    case 'held':
      return reviewUrl === undefined ? `${name} waits until a person has looked at it.` : undefined;
    case 'released':
      return `${name} was looked at, and continues.`;
    case 'failed': {
      const failure = { code: textOf('code') ?? '', cause: textOf('cause'), message: textOf('message') };
      const { text, isToCorrect } = explainToSender(failure);
      return `${name}${isToCorrect ? ' was not accepted' : ''}: ${text}`;
    }
    case 'completed':
      return `${name} was delivered.`;
    case 'records-done':
      return `The rows of ${name} were processed: ${wordsOfCounts(event.data.records)}.`;
    case 'large-file':
      return `${name} was received. It is large, and takes longer than others.`;
    case 'batch-failed':
      return endOfBatch(event.data);
    case 'campaign-held':
      return `${campaignOf(stored)} is held: ${textOf('reason')}.`;
    default:
      return undefined;
  }
}

const WORDS_OF_STATES: Readonly<Record<string, string>> = {
  SUCCESS: 'done',
  SUCCEEDED: 'done',
  FAILED: 'failed',
  AMBIGUOUS: 'being clarified',
  REJECTED: 'rejected: they could not be read',
};

function wordsOfCounts(records: unknown): string {
  const { byState = {} } = (records ?? {}) as { readonly byState?: Readonly<Record<string, number>> };
  const parts = Object.entries(byState).filter(([, count]) => count > 0);
  return (
    parts.map(([state, count]) => `${count} ${WORDS_OF_STATES[state] ?? state.toLowerCase()}`).join(', ') || 'none'
  );
}

const MISSING_NAMED = 10;

function describeBatch(data: Readonly<Record<string, unknown>>): string {
  const { batch, failed, missing } = data;
  const isFailed = Number(failed) > 0 || (Array.isArray(missing) && missing.length > 0);
  const end = endOfBatch(data);
  return isFailed ? `${end} See: longshore batches show ${plainText(String(batch), NAME_LENGTH)}` : end;
}

function endOfBatch(data: Readonly<Record<string, unknown>>): string {
  const { route, key, files, failed, missing } = data;
  const of = key === undefined ? '' : ` in ${plainText(String(key), NAME_LENGTH)}`;
  const named = Array.isArray(missing) ? missing.map((path) => plainText(String(path), NAME_LENGTH)) : [];
  const more = named.length > MISSING_NAMED ? ` and ${named.length - MISSING_NAMED} more` : '';
  const lacks = named.length === 0 ? '' : `; missing: ${named.slice(0, MISSING_NAMED).join(', ')}${more}`;
  return `The batch of ${plainText(String(route), NAME_LENGTH)}${of} ended: ${Number(files)} files, ${Number(failed)} failed${lacks}.`;
}

function campaignOf({ event }: StoredNotice): string {
  return `The campaign ${plainText(String(event.data.name ?? ''), NAME_LENGTH)}`;
}

function routesOf({ jobs }: StoredNotice): string {
  const names = [...new Set(jobs.map(({ route }) => route))];
  return names.length === 0 ? 'its routes' : names.join(', ');
}

function expectedOf({ event }: StoredNotice): string {
  return `The expectation ${plainText(String(event.data.expectation ?? ''), NAME_LENGTH)}`;
}

function arrivedOf({ files, needed }: Readonly<Record<string, unknown>>): string {
  return `${Number(files)} of ${Number(needed)} ${Number(needed) === 1 ? 'file' : 'files'} came`;
}

/** `998 SUCCESS, 2 FAILED (VALIDATION_ERROR BUSINESS_REJECTION 2)` */
function countsOf(records: unknown): string {
  const { byState = {}, byCode = {} } = (records ?? {}) as Record<string, Record<string, number> | undefined>;
  const list = (counts: Readonly<Record<string, number>>, write: (name: string, count: number) => string) =>
    Object.entries(counts)
      .map(([name, count]) => write(plainText(name, NAME_LENGTH), count))
      .join(', ');
  const states = list(byState, (name, count) => `${count} ${name}`);
  const codes = list(byCode, (name, count) => `${name} ${count}`);
  return codes === '' ? states : `${states} (${codes})`;
}
