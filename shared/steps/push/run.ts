/**
 * `push`: the file onto a partner's SFTP, FTPS or WebDAV server, or into Azure Blob Storage.
 *
 * 1. The final name shows a whole, verified file or none: the bytes go to a temporary name that is made of the effect's key, and are renamed.
 * 2. An upload that was cut off continues at the size that is there.
 * 3. Whoever does not know whether the rename was carried out asks: the temporary name is there, or the final one with our size.
 * 4. A final name that somebody else has is left alone, unless the route says otherwise.
 * 5. The marker is its own effect, after the file.
 * 6. Where a server can hold bytes unseen under their final name, there is no temporary one: they are staged, and shown by one request.
 */
import { createHash } from 'node:crypto';
import {
  type Answer,
  type Committed,
  type EffectTarget,
  type NotDone,
  type Prepared,
  runEffect,
} from '#shared/effects/run-effect.ts';
import { msUntilOpen } from '#shared/expectations/open-hours.ts';
import type { RemoteConnection, RemoteFile, WriteOptions } from '#shared/remotes/remote-connection.ts';
import { hasRemoteFault, RemoteError } from '#shared/remotes/remote-error.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import { factsOfFile } from '../step-keys.ts';
import { type PushOptions, pushOptions } from './options.ts';
import { numberedPath, type PushPlaces, placesOf, tempNameOf } from './push-places.ts';

/** Asked again by then: clocks change, and so do routes' windows. */
const LONGEST_WINDOW_WAIT_MS = 3_600_000;
const MOST_NUMBERS = 1_000;

export const pushStep: StepKind<PushOptions> = {
  kind: pushOptions.kind,
  classOf: pushOptions.classOf,
  run: (context) =>
    withStoreFailures('DELIVERY_ERROR', async () => {
      const closed = await whileClosed(context);
      if (closed !== undefined) return closed;
      const pushed = await runEffect({ log: context.effects, code: 'DELIVERY_ERROR', target: pushTarget(context) });
      if (pushed.type === 'ended') return pushed.outcome;
      const { facts } = pushed;
      if (facts.marker !== undefined) {
        const target = markerTarget(context, { path: facts.path, marker: facts.marker });
        const marked = await runEffect({ log: context.effects, part: 1, code: 'DELIVERY_ERROR', target });
        if (marked.type === 'ended') return marked.outcome;
      }
      return { type: 'succeeded', output: { ...facts, wasThere: pushed.wasThere } };
    }),
};

/** Undefined while the window is open. */
async function whileClosed({ options, targets, now, file }: Context): Promise<NotDone | undefined> {
  const { window } = options;
  if (window === undefined) return undefined;
  const days = window.calendar === undefined ? undefined : await targets?.findCalendar(window.calendar);
  if (window.calendar !== undefined && days === undefined) {
    const message = `The tenant has no calendar ${window.calendar}; apply its definition.`;
    return { type: 'retry', code: 'DELIVERY_ERROR', cause: 'CALENDAR_UNKNOWN', message };
  }
  const closedMs = msUntilOpen({ ...window, timeZone: days?.timeZone ?? file.timeZone }, now.getTime(), days);
  if (closedMs === 0) return undefined;
  return { type: 'wait', afterMs: Math.min(closedMs, LONGEST_WINDOW_WAIT_MS), reason: 'WINDOW' };
}

export interface PushFacts extends Readonly<Record<string, unknown>> {
  readonly remote: string;
  readonly path: string;
  readonly temp?: string;
  /** The bytes wait under the final name, for this key. */
  readonly staged?: string;
  readonly marker?: string;
  readonly sizeBytes: number;
  /** Hexadecimal, of a file that was read back. */
  readonly sha256?: string;
  /** What proved who the server is. */
  readonly fingerprint: string;
  /** It was under its final name, whole. */
  readonly isSeen?: boolean;
  /** Both names were gone: the partner had taken the file. */
  readonly pickedUp?: boolean;
}

/** Ends the stage that asks for it; not an error of the remote. */
class Ended extends Error {
  readonly outcome: NotDone;

  constructor(outcome: NotDone) {
    super('ended');
    this.outcome = outcome;
  }
}

type Context = StepContext<PushOptions>;

/** Runs `work` over a connection. What goes wrong there is thrown as `RemoteError`, or ends the stage. */
async function connected<Result>(
  { options, targets, signal }: Context,
  work: (connection: RemoteConnection, paths: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const { remote } = options;
  try {
    const used = await targets?.useRemote(remote, (connection, { definition }) => work(connection, definition.paths), {
      signal,
    });
    if (used?.type === 'used') return used.result;
    if (used?.type === 'wait')
      throw new Ended({ type: 'wait', afterMs: used.afterMs, reason: used.code ?? 'REMOTE_CONNECTIONS' });
    const message = `${used?.message ?? `This service does not have a remote ${remote}`}; apply its definition.`;
    throw new Ended({ type: 'retry', code: 'DELIVERY_ERROR', cause: 'REMOTE_UNKNOWN', message });
  } catch (error) {
    if (!(error instanceof SecretError)) throw error;
    throw new Ended({ type: 'retry', code: 'DELIVERY_ERROR', cause: error.code, message: error.message });
  }
}

function pushTarget(context: Context): EffectTarget<PushFacts> {
  return {
    async prepare(left) {
      return await ending(context, () =>
        connected(context, async (connection, paths) => await prepare(context, { connection, paths, left })),
      );
    },
    async commit(facts) {
      return await committing(context, () =>
        connected(context, async (connection): Promise<Committed<PushFacts>> => {
          const { path, temp, staged } = facts;
          if (temp !== undefined) {
            const there = await rename(context, connection, facts);
            return { type: 'done', facts: { ...facts, isSeen: there?.sizeBytes === facts.sizeBytes } };
          }
          if (staged !== undefined) await show(context, connection, facts);
          else await connection.write(path, ...contentFrom(context, 0));
          return await seenAfter(context, connection, facts);
        }),
      );
    },
    async ask(facts) {
      return await asking(context, () => connected(context, (connection) => ask(context, connection, facts)));
    },
  };
}

/** The server said that it is done. What it shows then decides only where bytes went straight to the final name: nothing was verified before. */
async function seenAfter(
  context: Context,
  connection: RemoteConnection,
  facts: PushFacts,
): Promise<Committed<PushFacts>> {
  const { path, staged, sizeBytes } = facts;
  const there = await statIfAnswered(connection, path);
  const isSeen = there?.sizeBytes === sizeBytes;
  if (staged !== undefined || there === undefined) return { type: 'done', facts: { ...facts, isSeen } };
  if (!isSeen) {
    const message = `The remote has ${there.sizeBytes} bytes of ${sizeBytes} under the final name; they are sent again.`;
    return { type: 'not-done', outcome: { type: 'retry', code: 'DELIVERY_ERROR', cause: 'SIZE_MISMATCH', message } };
  }
  const sha256 = await readBack(context, connection, path);
  if (sha256 !== 'other') return { type: 'done', facts: { ...facts, isSeen, ...(sha256 !== undefined && { sha256 }) } };
  const message = 'What the remote has under the final name differs from the file; it is sent again.';
  return { type: 'not-done', outcome: { type: 'retry', code: 'DELIVERY_ERROR', cause: 'CHECKSUM_MISMATCH', message } };
}

/** Undefined too where the answer is lost: what was done stays done. */
async function statIfAnswered(connection: RemoteConnection, path: string): Promise<RemoteFile | undefined> {
  try {
    return await connection.stat(path);
  } catch (error) {
    if (error instanceof RemoteError) return undefined;
    throw error;
  }
}

/** Resolves to what the server has then. A plain no to the rename leaves the temporary name, so it is known not to be done. */
async function rename(
  { options }: Context,
  connection: RemoteConnection,
  { temp = '', path }: PushFacts,
): Promise<RemoteFile | undefined> {
  const how = { overwrite: options.onExisting === 'overwrite' };
  try {
    if (connection.renameAndStat !== undefined) return await connection.renameAndStat(temp, path, how);
    await connection.rename(temp, path, how);
    return await statIfAnswered(connection, path);
  } catch (error) {
    if (!hasRemoteFault(error, 'denied', 'refused')) throw error;
    const message = `The remote ${options.remote} refuses to rename the file: ${error.message}.`;
    throw new Ended({ type: 'retry', code: 'DELIVERY_ERROR', cause: 'PUSH_RENAME_REFUSED', message });
  }
}

async function show({ options }: Context, connection: RemoteConnection, facts: PushFacts): Promise<void> {
  const overwrite = options.onExisting === 'overwrite';
  await connection.staging?.show(facts.path, { key: facts.staged ?? '', sizeBytes: facts.sizeBytes }, { overwrite });
}

interface Preparing {
  readonly connection: RemoteConnection;
  readonly paths: readonly string[];
  readonly left: PushFacts | undefined;
}

async function prepare(context: Context, { connection, paths, left }: Preparing): Promise<Prepared<PushFacts>> {
  const { options, object, idempotencyKey, step } = context;
  const places = placesOf(options, factsOfFile(context), paths);
  if (!places.ok) {
    const message = `The file may not be pushed: ${places.message}.`;
    return { type: 'ended', outcome: failed('DELIVERY_ERROR', places.cause, message) };
  }
  const path = await finalPath(context, connection, { places, chosen: left?.path });
  const common = {
    remote: options.remote,
    path,
    ...(places.marker !== undefined && { marker: places.marker }),
    sizeBytes: object.sizeBytes,
    fingerprint: connection.fingerprint,
  };
  if (connection.staging !== undefined) {
    const staged = createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 32);
    await connection.staging.stage(path, { key: staged, sizeBytes: object.sizeBytes }, (offset) =>
      bytesFrom(context, offset),
    );
    return { type: 'prepared', facts: { ...common, staged } };
  }
  if (options.temp === 'none') return { type: 'prepared', facts: common };
  const temp = tempNameOf(places.path, idempotencyKey);
  // The name is this effect's own: before its first try nothing has it.
  const there = left === undefined && step.isFirstTry ? undefined : await connection.stat(temp);
  // What an earlier try found whole is whole.
  const isWhole = left?.temp === temp && there?.sizeBytes === object.sizeBytes;
  const offset = goOnAt(there?.sizeBytes ?? 0, object.sizeBytes, connection);
  const hasNothingToSend = isWhole || (there !== undefined && offset === object.sizeBytes);
  const written = hasNothingToSend ? await connection.stat(temp) : await upload(context, connection, temp, offset);
  const sha256 = await verify(context, connection, temp, written);
  return { type: 'prepared', facts: { ...common, temp, ...(sha256 !== undefined && { sha256 }) } };
}

/** At the first byte that may be missing. */
function goOnAt(there: number, whole: number, { unsureTailBytes }: RemoteConnection): number {
  return there > whole ? 0 : Math.max(0, there - unsureTailBytes);
}

/** A number is chosen once. */
async function finalPath(
  { options }: Context,
  connection: RemoteConnection,
  { places, chosen }: { readonly places: PushPlaces; readonly chosen: string | undefined },
): Promise<string> {
  if (options.onExisting === 'overwrite') return places.path;
  // What is there may be what an earlier try left of this file.
  if (options.temp === 'none' && chosen !== undefined) return chosen;
  if (options.onExisting === 'fail') {
    if ((await connection.stat(places.path)) === undefined) return places.path;
    throw new Ended(targetExists(places.path));
  }
  if (chosen !== undefined && (await connection.stat(chosen)) === undefined) return chosen;
  for (let number = 1; number <= MOST_NUMBERS; number += 1) {
    const path = numberedPath(places.path, number);
    if ((await connection.stat(path)) === undefined) return path;
  }
  throw new Ended(targetExists(places.path));
}

function targetExists(path: string): NotDone {
  const message = `${path} is there already; ask the partner to take it, or say \`onExisting: overwrite\` or \`number\`.`;
  return failed('DELIVERY_ERROR', 'PUSH_TARGET_EXISTS', message);
}

/** Resolves to what the server has then. */
async function upload(
  context: Context,
  connection: RemoteConnection,
  path: string,
  offset: number,
): Promise<RemoteFile | undefined> {
  if (connection.writeAndStat !== undefined)
    return await connection.writeAndStat(path, ...contentFrom(context, offset));
  await connection.write(path, ...contentFrom(context, offset));
  return await connection.stat(path);
}

function contentFrom(context: Context, offset: number): [AsyncIterable<Uint8Array>, WriteOptions] {
  return [bytesFrom(context, offset), { offset, sizeBytes: context.object.sizeBytes - offset }];
}

function bytesFrom({ store, object, signal }: Context, offset: number): AsyncIterable<Uint8Array> {
  if (offset === object.sizeBytes) return nothing();
  const range = { first: offset, last: object.sizeBytes - 1 };
  return store.readStream(object, { range, ifMatch: object.etag, signal });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** A file that is not as it was sent is removed, so that the next try begins again. */
async function verify(
  context: Context,
  connection: RemoteConnection,
  temp: string,
  there: RemoteFile | undefined,
): Promise<string | undefined> {
  const { sizeBytes } = context.object;
  if (there?.sizeBytes !== sizeBytes) {
    await remove(connection, temp);
    const message = `The remote has ${there?.sizeBytes ?? 'no'} bytes of ${sizeBytes} under the temporary name; it was removed.`;
    throw new Ended({ type: 'retry', code: 'DELIVERY_ERROR', cause: 'SIZE_MISMATCH', message });
  }
  const sha256 = await readBack(context, connection, temp);
  if (sha256 !== 'other') return sha256;
  await remove(connection, temp);
  const message = 'What the remote has under the temporary name differs from the file; it was removed.';
  throw new Ended({ type: 'retry', code: 'DELIVERY_ERROR', cause: 'CHECKSUM_MISMATCH', message });
}

/** The hash of what is there, which is ours; undefined where the route does not ask for it. */
async function readBack(
  { options, store, object, signal }: Context,
  connection: RemoteConnection,
  path: string,
): Promise<string | 'other' | undefined> {
  if (options.verify === 'size') return undefined;
  const theirs = await hashOf(connection.read(path), object.sizeBytes);
  const ours = await hashOf(store.readStream(object, { ifMatch: object.etag, signal }));
  return theirs === ours ? ours : 'other';
}

async function remove(connection: RemoteConnection, path: string): Promise<void> {
  try {
    await connection.remove(path);
  } catch (error) {
    if (!hasRemoteFault(error, 'path-gone')) throw error;
  }
}

/** A server may send without end: what is longer than it may be is read no further, and has another hash. */
async function hashOf(pieces: AsyncIterable<Uint8Array>, mostBytes = Number.POSITIVE_INFINITY): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of pieces) {
    hash.update(piece);
    bytes += piece.byteLength;
    if (bytes > mostBytes) break;
  }
  return hash.digest('hex');
}

async function ask(context: Context, connection: RemoteConnection, facts: PushFacts): Promise<Answer<PushFacts>> {
  const { options } = context;
  const { path, temp, staged, sizeBytes } = facts;
  if (staged !== undefined) {
    const found = await connection.staging?.find(path, { key: staged, sizeBytes });
    if (found === 'shown') return { type: 'done', facts: { ...facts, isSeen: true } };
    if (found === 'staged') return { type: 'not-done' };
  }
  if (temp !== undefined && (await connection.stat(temp)) !== undefined) return { type: 'not-done' };
  const final = await connection.stat(path);
  const isDirect = temp === undefined && staged === undefined;
  if (final?.sizeBytes === sizeBytes && staged === undefined) {
    const sha256 = isDirect ? await readBack(context, connection, path) : undefined;
    if (sha256 === 'other') return { type: 'not-done' };
    return { type: 'done', facts: { ...facts, isSeen: true, ...(sha256 !== undefined && { sha256 }) } };
  }
  const mayBeOurs = final !== undefined && (final.sizeBytes < sizeBytes || options.onExisting === 'overwrite');
  if (mayBeOurs && isDirect) return { type: 'not-done' };
  if (options.pickedUp === 'delivered') return { type: 'done', facts: { ...facts, pickedUp: true } };
  return { type: 'unknown', message: `${path} ${seen(final, facts)}; ask the partner whether the file came.` };
}

function seen(final: RemoteFile | undefined, { staged, sizeBytes }: PushFacts): string {
  if (final === undefined) return 'is not there (the partner may have taken it)';
  return staged === undefined ? `has ${final.sizeBytes} bytes and not ${sizeBytes}` : 'is another file';
}

/** Written over what is there: it has no bytes. Once the file was taken, it is of no use. */
function markerTarget(
  context: Context,
  { path, marker }: { readonly path: string; readonly marker: string },
): EffectTarget<{ readonly path: string }> {
  return {
    prepare: async () => ({ type: 'prepared', facts: { path: marker } }),
    commit: (facts) =>
      committing(context, () =>
        connected(context, async (connection): Promise<Committed<{ readonly path: string }>> => {
          await connection.write(marker, nothing(), { sizeBytes: 0 });
          return { type: 'done', facts };
        }),
      ),
    ask: (facts) =>
      asking(context, () =>
        connected(context, async (connection): Promise<Answer<{ readonly path: string }>> => {
          if ((await connection.stat(marker)) !== undefined) return { type: 'done', facts };
          return (await connection.stat(path)) === undefined ? { type: 'done', facts } : { type: 'not-done' };
        }),
      ),
  };
}

async function ending<Facts>(context: Context, work: () => Promise<Prepared<Facts>>): Promise<Prepared<Facts>> {
  try {
    return await work();
  } catch (error) {
    return { type: 'ended', outcome: outcomeOf(context, error) };
  }
}

async function committing<Facts>(context: Context, work: () => Promise<Committed<Facts>>): Promise<Committed<Facts>> {
  try {
    return await work();
  } catch (error) {
    const isUnsure = error instanceof RemoteError && (error.isOutcomeUnknown || error.fault === 'path-gone');
    if (isUnsure) return { type: 'unsure', cause: error.code, message: `${error.message}.` };
    return { type: 'not-done', outcome: outcomeOf(context, error) };
  }
}

async function asking<Facts>(context: Context, work: () => Promise<Answer<Facts>>): Promise<Answer<Facts>> {
  try {
    return await work();
  } catch (error) {
    return { type: 'later', outcome: outcomeOf(context, error) };
  }
}

/** Its owner may change something by the next try; wrong credentials are not tried again before, which the remote's breaker holds. */
function outcomeOf({ options }: Context, error: unknown): NotDone {
  if (error instanceof Ended) return error.outcome;
  if (!(error instanceof RemoteError)) throw error;
  if (error.fault === 'exists') return targetExists(options.path);
  const message = `With the remote ${options.remote}: ${error.message.replace(/\.$/, '')}.`;
  if (error.fault === 'place-refused') return failed('DELIVERY_ERROR', error.code, message);
  const cause = error.fault === 'no-space' ? 'PUSH_NO_SPACE' : error.code;
  return { type: 'retry', code: 'DELIVERY_ERROR', cause, message };
}
