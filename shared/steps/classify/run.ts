/**
 * `classify`: type by the first bytes, sensitive data by patterns with their checks. Nothing is written, so every try may repeat it.
 *
 * 1. What was found is in the step's output, as counts; no value of the file is.
 */
import { findType, isTextType, TYPE_SAMPLE_BYTES } from '#shared/content/classify/file-type.ts';
import { countSensitive, type SensitiveCounts } from '#shared/content/classify/sensitive-data.ts';
import { eventLoopTurns } from '#shared/formats/event-loop-turns.ts';
import { holdJob } from '../hold-job.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import { currentName } from '../step-keys.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type ClassifyOptions, classifyOptions } from './options.ts';

type Context = StepContext<ClassifyOptions>;

export const classifyStep: StepKind<ClassifyOptions> = {
  kind: classifyOptions.kind,
  classOf: classifyOptions.classOf,
  run: (context) =>
    withStoreFailures('CLASSIFY_ERROR', async () => {
      const { store, object, options, step, signal } = context;
      const last = Math.min(object.sizeBytes, TYPE_SAMPLE_BYTES) - 1;
      const sample =
        last < 0
          ? Buffer.alloc(0)
          : await store.readRange(object, { first: 0, last }, { ifMatch: object.etag, signal });
      const name = currentName(context);
      const { type, mimeType, isAsNamed } = await findType(sample, name);
      const sensitive = isTextType({ type, mimeType }) ? await countIn(context, sample) : undefined;
      const found = { type, mimeType, isAsNamed, ...(sensitive !== undefined && { sensitive }) };
      if (step.isReleased) return { type: 'succeeded', output: { ...found, released: true } };
      const isOther =
        object.sizeBytes > 0 && options.allow !== undefined && !(isAsNamed && options.allow.includes(type));
      if (isOther) return other(options, found);
      const isSensitive = Object.values(sensitive ?? {}).some((count) => count > 0);
      if (isSensitive && options.onSensitive !== 'note') return sensitiveOutcome(options, found);
      return { type: 'succeeded', output: found };
    }),
};

interface Found {
  readonly type: string;
  readonly isAsNamed: boolean;
  readonly sensitive?: SensitiveCounts;
}

function other({ onOther, allow = [] }: ClassifyOptions, found: Found): StepOutcome {
  if (onOther === 'hold') return holdJob({ ...found });
  const what = found.isAsNamed
    ? `The content is ${found.type}`
    : `The content is ${found.type}, which the name does not say`;
  const message = `${what}; the route takes ${allow.join(', ')}.`;
  const cause = onOther === 'quarantine' ? 'CONTENT_NOT_ALLOWED' : 'CONTENT_TYPE';
  return { ...failed('CLASSIFY_ERROR', cause, message), output: { ...found } };
}

function sensitiveOutcome({ onSensitive }: ClassifyOptions, found: Found): StepOutcome {
  if (onSensitive === 'hold') return holdJob({ ...found });
  const counts = Object.entries(found.sensitive ?? {}).flatMap(([kind, count]) =>
    count > 0 ? [`${kind} ${count}`] : [],
  );
  const message = `The file has what looks like sensitive data: ${counts.join(', ')}.`;
  return { ...failed('CLASSIFY_ERROR', 'SENSITIVE_DATA', message), output: { ...found } };
}

async function countIn(context: Context, sample: Uint8Array): Promise<SensitiveCounts | undefined> {
  const { store, object, options, signal } = context;
  if (options.sensitive === undefined) return undefined;
  const counter = countSensitive(options.sensitive);
  if (object.sizeBytes === 0) return counter.finish();
  // What is looked for is ASCII, which all encodings of text here share but UTF-16.
  const isWide = (sample[0] === 0xff && sample[1] === 0xfe) || (sample[0] === 0xfe && sample[1] === 0xff);
  const decoder = new TextDecoder(isWide ? (sample[0] === 0xff ? 'utf-16le' : 'utf-16be') : 'latin1');
  const last = Math.min(object.sizeBytes, options.upTo) - 1;
  const turn = eventLoopTurns();
  for await (const piece of store.readStream(object, { range: { first: 0, last }, ifMatch: object.etag, signal })) {
    counter.add(decoder.decode(piece, { stream: true }));
    await turn();
  }
  return counter.finish();
}
