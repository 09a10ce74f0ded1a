/**
 * `parse`: the rows of the job's object become records, and the rejected ones go back to the sender.
 *
 * 1. Every row of the file is a record, accepted or rejected: what is stored is counted against what was read.
 * 2. A parse that begins again doubles nothing: it passes over the lines that are there, but for the last ones, which it inserts again in
 *    case others are missing between them; the rejects file is made whole again.
 * 3. Of a file that is refused, or that cannot be read to its end, no accepted row stays.
 * 4. Of a read that was damaged on its way no row stays: the next try would pass over what is there.
 * 5. Memory is flat, whatever the size of the file or of a line.
 */

import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { hasFault } from '#shared/files/store-error.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { businessKeyOf } from '#shared/formats/records/business-key.ts';
import { judgeRejects } from '#shared/formats/records/judge-rejects.ts';
import type { RecordItem, RecordsSummary, RejectedRecord } from '#shared/formats/records/record-item.ts';
import { outboundKey } from '#shared/steps/step-keys.ts';
import { faultMessage, readRecordFile } from '../read-record-file.ts';
import type { NewRecord, RecordStore } from '../record-store.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { insertInOrder, MOST_AHEAD, type OrderedInserts } from './insert-in-order.ts';
import { type ParseOptions, parseOptions } from './options.ts';
import { type RejectsUpload, uploadRejects, type WrittenRejects } from './upload-rejects.ts';

export const parseStep: StepKind<ParseOptions> = {
  kind: parseOptions.kind,
  classOf: parseOptions.classOf,
  run: (context) =>
    withStoreFailures('PARSE_ERROR', async () => {
      const { records, file } = context;
      if (records === undefined) return failed('PARSE_ERROR', 'STEP_INPUT_MISSING', 'The route has no `records`.');
      const rejects = outboundKey(file, 'rejects');
      if (!rejects.ok) {
        return failed(
          'PARSE_ERROR',
          'KEY_REJECTED',
          `The rejects file may not be named like the file: ${rejects.message}.`,
        );
      }
      const parse = { context, layout: records.layout, store: records.store, rejectsKey: rejects.key };
      try {
        return await parseAndJudge(parse);
      } catch (error) {
        if (hasFault(error, 'corrupt')) await records.store.discardAll();
        if (!(error instanceof FormatFault)) throw error;
        await records.store.discardAccepted();
        return failed('PARSE_ERROR', error.code, faultMessage(error));
      }
    }),
};

interface Parse {
  readonly context: StepContext<ParseOptions>;
  readonly layout: RecordsLayout;
  readonly store: RecordStore;
  readonly rejectsKey: string;
}

interface Read {
  readonly summary: RecordsSummary;
  readonly firstRejected: readonly ShownReject[];
  readonly rejects: WrittenRejects | undefined;
}

async function parseAndJudge(parse: Parse): Promise<StepOutcome> {
  const { layout, store } = parse;
  const lastLine = await store.findLineBefore(MOST_AHEAD);
  const read = await readFile(parse, lastLine);
  const verdict = judgeRejects(read.summary, layout.onReject);
  if (verdict === 'reject-file') {
    await store.discardAccepted();
    return refused(read);
  }
  const stored = await storedWhole(parse, read, lastLine);
  return {
    type: 'succeeded',
    output: {
      ...(verdict === 'hold' ? { held: true } : {}),
      ...stored,
      records: read.summary.records,
      lines: read.summary.lines,
      declaredCount: read.summary.declaredCount,
      totals: read.summary.totals,
      ...(read.rejects === undefined ? {} : { rejects: read.rejects, firstRejected: read.firstRejected }),
    },
  };
}

/** A file that was refused once left its rejected rows alone, so that lines are missing before the last one: then none is passed over. */
async function storedWhole(parse: Parse, { summary }: Read, lastLine: number) {
  let stored = await parse.store.count();
  const isWhole = () => stored.accepted + stored.rejected + stored.duplicates === summary.records;
  if (!isWhole() && lastLine > 0) {
    await readFile(parse, 0);
    stored = await parse.store.count();
  }
  if (isWhole()) return stored;
  throw new LongshoreError('INTERNAL', `The file has ${summary.records} records, of which others are stored.`, {
    details: { ...stored },
  });
}

/** Rows after `lastLine` are stored; what was rejected is written out, all of it. */
async function readFile({ context, layout, store, rejectsKey }: Parse, lastLine: number): Promise<Read> {
  const inserts = insertInOrder(store);
  const upload = uploadRejects(context, layout, rejectsKey);
  const firstRejected: ShownReject[] = [];
  try {
    const summary = await takeItems({ context, layout, lastLine, inserts, upload, firstRejected });
    await inserts.finish();
    return { summary, firstRejected, rejects: await upload.finish() };
  } catch (error) {
    await Promise.all([upload.abandon(error), inserts.settled()]);
    // The upload is aborted too, and may have failed first.
    context.signal.throwIfAborted();
    throw error;
  }
}

interface Taking {
  readonly context: StepContext<ParseOptions>;
  readonly layout: RecordsLayout;
  readonly lastLine: number;
  readonly inserts: OrderedInserts;
  readonly upload: RejectsUpload;
  readonly firstRejected: ShownReject[];
}

async function takeItems(taking: Taking): Promise<RecordsSummary> {
  const { context, layout, lastLine, inserts, upload, firstRejected } = taking;
  const { signal } = context;
  let summary: RecordsSummary | undefined;
  for await (const items of readRecordFile(context, layout)) {
    const others: RecordItem[] = [];
    for (const item of items) {
      if (item.type === 'row' || item.type === 'rejected') {
        const full = item.line > lastLine ? inserts.add(newRecord(item, layout)) : undefined;
        if (full !== undefined) {
          await full;
          signal.throwIfAborted();
        }
      }
      if (item.type === 'rejected' && firstRejected.length < MOST_SHOWN) firstRejected.push(toShownReject(item));
      if (item.type === 'summary') summary = item;
      else if (item.type !== 'row') others.push(item);
    }
    if (others.length > 0) await upload.take(others);
  }
  if (summary === undefined) throw new Error('a file was read to its end without a summary');
  return summary;
}

function newRecord(item: Extract<RecordItem, { type: 'row' | 'rejected' }>, layout: RecordsLayout): NewRecord {
  const { line } = item;
  if (item.type === 'row') return { line, businessKey: businessKeyOf(item.values, layout), values: item.values };
  return { line, businessKey: null, values: null, rejected: { cause: item.code, message: rejectedMessage(item) } };
}

/** The value is masked where its column is sensitive. */
function rejectedMessage({ message, value, moreFaults }: RejectedRecord): string {
  const shown = value === undefined ? '' : ` It is "${value}".`;
  return moreFaults.length === 0 ? `${message}${shown}` : `${message}${shown} Faults besides: ${moreFaults.length}.`;
}

/** Rejected rows that the step's output tells itself; all of them are in the object it names. */
const MOST_SHOWN = 20;

type ShownReject = Pick<RejectedRecord, 'line' | 'code' | 'message' | 'column' | 'value'>;

function toShownReject({ line, code, message, column, value }: RejectedRecord): ShownReject {
  return {
    line,
    code,
    message,
    ...(column === undefined ? {} : { column }),
    ...(value === undefined ? {} : { value }),
  };
}

/** The cause is that of the first row; rows are seldom wrong in one way and the next in another. */
function refused({ summary, firstRejected, rejects }: Read): StepOutcome {
  const [first] = firstRejected;
  if (first === undefined) throw new Error('a file was refused without a rejected row');
  const many = `${summary.rejected} of ${summary.records} records were rejected, more than the route takes, and none is processed.`;
  const message = `${many} Line ${first.line}: ${first.message} Correct all that ${rejects?.key} names and send the whole file again.`;
  return { ...failed('PARSE_ERROR', first.code, message), output: { rejects } };
}
