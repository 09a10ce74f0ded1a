/**
 * `convert`: streams the job's object into another format, into the staging bucket.
 *
 * 1. Nothing is under the new name unless all of the file went through, and its route takes it with what was rejected.
 * 2. Rejected records go back to the sender, as those of record files do.
 * 3. The same file gives the same bytes on every try.
 */
import { type ConversionCounts, convertRecords } from '#shared/content/convert/convert-records.ts';
import { convertText } from '#shared/content/convert/convert-text.ts';
import { createJsonataMapper } from '#shared/content/convert/jsonata-mapper.ts';
import { compileMapping } from '#shared/content/convert/map-record.ts';
import { XML_ENCODING_NAMES } from '#shared/content/convert/xml-names.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import { verifiedRead } from '#shared/files/verified-read.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { judgeRejects, type RejectsVerdict } from '#shared/formats/records/judge-rejects.ts';
import type { RecordItem, RejectedRecord } from '#shared/formats/records/record-item.ts';
import { holdJob } from '../hold-job.ts';
import { JOB_METADATA, KEY_METADATA } from '../job-metadata.ts';
import { type RejectsUpload, uploadRejects, type WrittenRejects } from '../parse/upload-rejects.ts';
import { faultMessage } from '../read-record-file.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import { currentName, outboundKey, stagingTarget } from '../step-keys.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type ConvertOptions, convertOptions, nameAfterConversion } from './options.ts';

type Context = StepContext<ConvertOptions>;

/** For all files of the process. */
const JSONATA = createJsonataMapper();

export const convertStep: StepKind<ConvertOptions> = {
  kind: convertOptions.kind,
  classOf: convertOptions.classOf,
  run: (context) =>
    withStoreFailures('CONVERT_ERROR', async () => {
      const name = canonicalKey(nameAfterConversion(context.options, currentName(context)));
      if (!name.ok) return failed('CONVERT_ERROR', 'KEY_REJECTED', `The new name may not be used: ${name.message}.`);
      const source = verifiedRead(context.store, context.object, context);
      const rejects = rejectsOf(context);
      try {
        return await convert(context, name.key, source.pieces, rejects);
      } catch (error) {
        await rejects.abandon(error);
        if (!(error instanceof FormatFault)) throw error;
        if (!(await source.wasTrue()))
          return retry('CONVERT_ERROR', 'CHECKSUM_MISMATCH', 'The file was damaged on its way from the store.');
        return failed('CONVERT_ERROR', error.code, faultMessage(error));
      }
    }),
};

async function convert(
  context: Context,
  name: string,
  source: AsyncIterable<Uint8Array>,
  rejects: Rejects,
): Promise<StepOutcome> {
  const { store, object, signal, job, idempotencyKey } = context;
  const counts: ConversionCounts = { recordsIn: 0, recordsOut: 0, recordsRejected: 0 };
  const metadata = { [JOB_METADATA]: job.id, [KEY_METADATA]: idempotencyKey };
  const target = stagingTarget(context, name);
  const body = bodyOf(context, source, counts, rejects);
  const log = context.transferLog;
  try {
    const written = await store.upload({ target, body, metadata, log, sourceEtag: object.etag, signal });
    const made = { ...target, versionId: written.versionId, etag: written.etag, sizeBytes: written.sizeBytes };
    const records = context.options.from.format === 'text' ? {} : { ...counts, ...(await rejects.finish()) };
    return { type: 'succeeded', object: made, output: { ...made, sha256: written.sha256, ...records } };
  } catch (error) {
    const refusal = refusalIn(error);
    if (refusal === undefined) throw error;
    const output = { ...counts, ...(await rejects.finish()) };
    if (refusal.verdict === 'hold') return holdJob(output);
    return { ...refused(counts, output), output };
  }
}

function bodyOf(
  { options, step, file, signal }: Context,
  source: AsyncIterable<Uint8Array>,
  counts: ConversionCounts,
  rejects: Rejects,
): AsyncIterable<Uint8Array> {
  const { from, to, map, jsonata, onReject } = options;
  if (from.format === 'text' || to.format === 'text') {
    const lineEnds = 'lineEnds' in to ? to.lineEnds : 'keep';
    return convertText(source, {
      from: { encoding: from.encoding ?? 'utf-8' },
      to: { encoding: to.encoding, lineEnds },
    });
  }
  const form =
    to.format === 'csv'
      ? { ...to, lineEnd: isEbcdic(to.encoding) ? '\u0085' : to.lineEnds === 'crlf' ? '\r\n' : '\n' }
      : to.format === 'xml'
        ? { ...to, declared: XML_ENCODING_NAMES[to.encoding] ?? 'UTF-8' }
        : to;
  const expressions = jsonata === undefined ? undefined : JSONATA.mapping(jsonata, { customer: file.tenantId, signal });
  const mapping = map === undefined ? expressions : compileMapping(map);
  const columns = to.format === 'csv' ? to.columns : undefined;
  return convertRecords(
    source,
    { from, to: form, columns, mapping },
    {
      counts,
      reject: rejects.take,
      judge({ recordsIn: records, recordsRejected: rejected }) {
        const verdict = judgeRejects({ records, rejected }, onReject);
        if (verdict !== 'accept' && !(verdict === 'hold' && step.isReleased)) throw new RefusedRecords(verdict);
      },
    },
  );
}

/** Thrown while the new object is not whole yet, so that none comes to be. */
class RefusedRecords extends Error {
  readonly verdict: Exclude<RejectsVerdict, 'accept'>;

  constructor(verdict: Exclude<RejectsVerdict, 'accept'>) {
    super('the records were refused');
    this.verdict = verdict;
  }
}

/** Stores wrap what a body throws. */
function refusalIn(error: unknown): RefusedRecords | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof RefusedRecords) return at;
  return undefined;
}

const MOST_SHOWN = 20;

type ShownReject = Pick<RejectedRecord, 'line' | 'code' | 'message'>;

interface RejectsSummary {
  readonly rejects?: WrittenRejects;
  readonly firstRejected?: readonly ShownReject[];
}

interface Rejects extends Pick<RejectsUpload, 'abandon'> {
  readonly take: Parameters<typeof convertRecords>[2]['reject'];
  finish(): Promise<RejectsSummary>;
}

function rejectsOf(context: Context): Rejects {
  const firstRejected: ShownReject[] = [];
  let upload: RejectsUpload | undefined;
  return {
    async take(items, layout) {
      upload ??= uploadRejects(context, layout, rejectsKey(context));
      for (const item of items)
        if (item.type === 'rejected' && firstRejected.length < MOST_SHOWN) firstRejected.push(toShownReject(item));
      await upload.take(items);
    },
    async finish() {
      const rejects = await upload?.finish();
      return rejects === undefined ? {} : { rejects, firstRejected };
    },
    abandon: async (reason) => await upload?.abandon(reason),
  };
}

function toShownReject({ line, code, message }: Extract<RecordItem, { type: 'rejected' }>): ShownReject {
  return { line, code, message };
}

/** @throws FormatFault */
function rejectsKey({ file, options }: Context): string {
  const rejects = outboundKey(file, 'rejects');
  if (!rejects.ok)
    throw new FormatFault('KEY_REJECTED', `The rejects file may not be named like the file: ${rejects.message}.`);
  const isLineByLine = options.from.format === 'json' || options.from.format === 'xml';
  return isLineByLine ? `${rejects.key}.ndjson` : rejects.key;
}

function refused({ recordsIn, recordsRejected }: ConversionCounts, { rejects, firstRejected }: RejectsSummary) {
  const [first] = firstRejected ?? [];
  if (first === undefined) throw new Error('a file was refused without a rejected record');
  const many = `${recordsRejected} of ${recordsIn} records were rejected, more than the route takes, and none is processed.`;
  const message = `${many} Line ${first.line}: ${first.message} Correct all that ${rejects?.key} names and send the whole file again.`;
  return failed('CONVERT_ERROR', first.code, message);
}
