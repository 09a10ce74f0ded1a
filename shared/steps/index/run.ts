/**
 * `index`: words of the file's names, of the facts that were looked up, and of the beginning of its text.
 *
 * 1. What is read is bounded, and the words are made by the database, one file at a time where others need the process.
 * 2. The same file gives the same words, so every try may repeat it.
 */
import { findType, isTextType, TYPE_SAMPLE_BYTES } from '#shared/content/classify/file-type.ts';
import { isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import { inTurnElsewhere } from '#shared/formats/event-loop-turns.ts';
import { encodingByMark, encodingCodec } from '#shared/formats/records/record-encoding.ts';
import { inWords } from '#shared/jobs/index-file.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { withStoreFailures } from '../step-failure.ts';
import { currentName } from '../step-keys.ts';
import { type IndexOptions, indexOptions } from './options.ts';

type Context = StepContext<IndexOptions>;

export const indexStep: StepKind<IndexOptions> = {
  kind: indexOptions.kind,
  classOf: indexOptions.classOf,
  run: (context) =>
    withStoreFailures('INDEX_ERROR', async () => {
      const { file, outputs } = context;
      const path = file.key.slice(file.tenantId.length + 1);
      const facts = Object.values(outputs.enrich ?? {}).filter((value) => value !== null);
      const content = await textOf(context);
      const written = [path, currentName(context), ...facts, content ?? ''].join('\n');
      // Names are found by their parts too, and no text of the database can have a NUL.
      const text = `${written}\n${inWords(written)}`.replaceAll('\0', ' ');
      const words = await inTurnElsewhere(() => context.texts.index(text));
      return { type: 'succeeded', output: { words, hasText: content !== undefined } };
    }),
};

/** Undefined where there is none. */
async function textOf(context: Context): Promise<string | undefined> {
  const { store, object, options, signal } = context;
  const last = Math.min(object.sizeBytes, options.upTo) - 1;
  if (last < 0) return undefined;
  const bytes = await store.readRange(object, { first: 0, last }, { ifMatch: object.etag, signal });
  const encoding = (isEbcdic(options.encoding) ? undefined : encodingByMark(bytes)?.encoding) ?? options.encoding;
  const isText =
    isEbcdic(encoding) || isTextType(await findType(bytes.subarray(0, TYPE_SAMPLE_BYTES), currentName(context)));
  if (!isText) return undefined;
  // The last character may be cut off.
  if (encoding.startsWith('utf-')) return new TextDecoder(encoding).decode(bytes);
  const codec = encodingCodec(encoding);
  const units = codec.toUnits(bytes);
  return codec.decodeValue(units) ?? units;
}
