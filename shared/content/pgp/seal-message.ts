/**
 * Encrypts and signs content as one PGP message, as a stream.
 *
 * The library makes session keys and signatures. It encrypts only what `encrypted-body.ts` does not: for it, that takes several times as long.
 */
import { ReadableStream } from 'node:stream/web';
import type { PrivateKey, PublicKey } from 'openpgp';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { gathered } from './byte-reader.ts';
import { cipherOf, encryptBody } from './encrypted-body.ts';
import { LITERAL } from './literal-body.ts';
import { packetOf } from './packet-lengths.ts';
import { loadOpenpgp } from './pgp-keys.ts';

/** Each piece costs the library as much as many of its bytes. */
const GATHERED_BYTES = 262_144;

export interface SealMessage {
  /** Empty: signed alone. */
  readonly encryptionKeys: readonly PublicKey[];
  /** Empty: not signed. */
  readonly signingKeys: readonly PrivateKey[];
  readonly isArmored: boolean;
}

/** Binary, without a name and a date. */
const LITERAL_HEADER = Buffer.from([0x62, 0, 0, 0, 0, 0]);

/** @throws FormatFault `PGP_KEY_EXPIRED`; whatever `source` throws comes through unchanged */
export async function* sealPgpMessage(
  source: AsyncIterable<Uint8Array>,
  options: SealMessage,
): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  const rest = { [Symbol.asyncIterator]: () => ({ next: () => pieces.next() }) };
  try {
    const session = options.isArmored ? undefined : await startSession(options);
    if (session === undefined) {
      yield* byLibrary(rest, options);
      return;
    }
    yield session.packets;
    const packets =
      options.signingKeys.length === 0
        ? packetOf(LITERAL, afterHeader(LITERAL_HEADER, rest))
        : byLibrary(rest, { ...options, encryptionKeys: [] });
    yield* encryptBody(packets, session);
  } finally {
    await pieces.return?.();
  }
}

/** A key for the body, encrypted to each recipient; undefined where it is not for `encryptBody`, or there is no recipient. */
async function startSession({ encryptionKeys }: SealMessage) {
  if (encryptionKeys.length === 0) return undefined;
  const openpgp = await loadOpenpgp();
  const keys = { encryptionKeys: [...encryptionKeys] };
  try {
    const session = await openpgp.generateSessionKey(keys);
    const cipher = cipherOf(session);
    if (cipher === undefined || session.aeadAlgorithm !== undefined) return undefined;
    const packets = await openpgp.encryptSessionKey({ ...session, ...keys, format: 'binary' });
    return { packets: packets as Uint8Array, cipher, key: session.data };
  } catch (error) {
    throw unusableKey(error);
  }
}

async function* afterHeader(header: Uint8Array, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield header;
  yield* pieces;
}

async function* byLibrary(
  source: AsyncIterable<Uint8Array>,
  { encryptionKeys, signingKeys, isArmored }: SealMessage,
): AsyncGenerator<Uint8Array> {
  const openpgp = await loadOpenpgp();
  const pieces = gathered(source, GATHERED_BYTES);
  const binary = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
  const message = await openpgp.createMessage({ binary: binary as never });
  const keys = { signingKeys: [...signingKeys], format: isArmored ? ('armored' as const) : ('binary' as const) };
  const sealed =
    encryptionKeys.length === 0
      ? openpgp.sign({ message, ...keys } as never)
      : openpgp.encrypt({ message, encryptionKeys: [...encryptionKeys], ...keys } as never);
  const stream = await (sealed as Promise<unknown>).catch((error: unknown) => {
    throw unusableKey(error);
  });
  for await (const piece of stream as AsyncIterable<Uint8Array | string>) yield Buffer.from(piece as string);
}

/** Nothing was read yet: what is wrong is a key. */
function unusableKey(error: unknown): unknown {
  if (!(error instanceof Error) || !/key|expired|revoked/i.test(error.message)) return error;
  const message =
    'A key of the route cannot encrypt or sign at this time: it has expired, was revoked, or is for another use.';
  return new FormatFault('PGP_KEY_EXPIRED', message);
}
