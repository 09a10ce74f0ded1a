/**
 * What routes ask of a file beyond its row: tags and content, each read once, and only where the rest of a route's `match` fits.
 *
 * 1. A store that does not answer gives no answer: the error is the caller's, and nothing is decided.
 * 2. An object that is gone has neither: no route that asks for them takes it.
 */
import { findType, isTextType, TYPE_SAMPLE_BYTES } from '#shared/content/classify/file-type.ts';
import type { FileContentFacts, FileToMatch } from '#shared/definitions/routes/compile-match.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import type { CallOptions, ObjectAddress, ObjectStore } from '#shared/files/object-store.ts';
import { hasFault } from '#shared/files/store-error.ts';

export type MatchFacts = Pick<FileToMatch, 'content' | 'tags'>;

export interface FactsToRead {
  readonly file: FileToMatch;
  readonly object: ObjectAddress;
  readonly routes: readonly Pick<CompiledRoute, 'refuses'>[];
}

const LONGEST_FIRST_LINE = 2_000;

/** @throws ObjectStoreError */
export async function readMatchFacts(
  store: Pick<ObjectStore, 'readRange' | 'tags'>,
  { file, object, routes }: FactsToRead,
  call: CallOptions = {},
): Promise<MatchFacts> {
  const isAsked = (what: 'tags unread' | 'content unread', facts: MatchFacts) =>
    routes.some((route) => route.refuses({ ...file, ...facts }) === what);
  let facts: MatchFacts = { content: file.content, tags: file.tags };
  if (isAsked('tags unread', facts)) facts = { ...facts, tags: (await orGone(store.tags(object, call))) ?? {} };
  if (isAsked('content unread', facts)) {
    facts = { ...facts, content: await readContent(store, file, object, call) };
  }
  return facts;
}

async function readContent(
  store: Pick<ObjectStore, 'readRange'>,
  { path, sizeBytes }: FileToMatch,
  object: ObjectAddress,
  call: CallOptions,
): Promise<FileContentFacts> {
  const last = Math.min(sizeBytes, TYPE_SAMPLE_BYTES) - 1;
  const sample = last < 0 ? Buffer.alloc(0) : await orGone(store.readRange(object, { first: 0, last }, call));
  if (sample === undefined) return { type: 'unknown', firstLine: null };
  const found = await findType(sample, path.slice(path.lastIndexOf('/') + 1));
  return { type: found.type, firstLine: isTextType(found) ? firstLineOf(sample) : null };
}

async function orGone<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (hasFault(error, 'not-found')) return undefined;
    throw error;
  }
}

/** UTF-8, UTF-16 with its mark, else Latin-1; what is cut off inside a character ends before it. */
function firstLineOf(sample: Buffer): string {
  const mark = (sample[0] ?? 0) * 256 + (sample[1] ?? 0);
  const wide = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : undefined;
  const text =
    wide === undefined ? (decoded(sample, 'utf-8') ?? sample.toString('latin1')) : (decoded(sample, wide) ?? '');
  return (/^[^\r\n]*/.exec(text)?.[0] ?? '').slice(0, LONGEST_FIRST_LINE);
}

function decoded(sample: Buffer, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(sample, { stream: true });
  } catch {
    return undefined;
  }
}
