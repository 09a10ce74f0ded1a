/**
 * Decrypts and verifies a PGP message as a stream.
 *
 * 1. Bytes come out before they are known to be whole and signed: the stream ends well only when they are, and what takes it must not show
 *    them to anybody before its end.
 * 2. The body of the usual encrypted message is decrypted by `encrypted-body.ts`, expanded by `compressed-body.ts`, and unsigned content in it read
 *    by `literal-body.ts`; what is signed, and every other message, is read by the library.
 * 3. Memory is flat: the library's own way of waiting for the end takes several times the size of the file.
 */
import { ReadableStream } from 'node:stream/web';
import type { DecryptMessageResult, Message, PrivateKey, PublicKey } from 'openpgp';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { isArmored, readArmored } from './armor.ts';
import { ByteReader } from './byte-reader.ts';
import { COMPRESSED, readCompressed } from './compressed-body.ts';
import { bodyPieces, cipherOf, decryptBody, readEncryptedMessage } from './encrypted-body.ts';
import { LITERAL, readLiteral } from './literal-body.ts';
import { type PacketHeader, readHeader } from './packet-lengths.ts';
import { loadOpenpgp } from './pgp-keys.ts';

const BEGINNING_BYTES = 64;
/** The clock of a sender may be ahead of ours: its signature is from the future then. */
const CLOCKS_APART_MS = 15 * 60_000;

export interface OpenMessage {
  /** Empty: the message is signed and not encrypted. */
  readonly decryptionKeys: readonly PrivateKey[];
  readonly verificationKeys: readonly PublicKey[];
  /** False: signatures are not looked at. */
  readonly isSignatureRequired: boolean;
  readonly maxBytes: number;
}

/** @throws FormatFault `PGP_*`; whatever `source` throws comes through unchanged */
export async function* openPgpMessage(
  source: AsyncIterable<Uint8Array>,
  options: OpenMessage,
): AsyncGenerator<Uint8Array> {
  const input = new WatchedSource(source);
  try {
    const reader = new ByteReader(binaryOf(new ByteReader(input)));
    const body = options.decryptionKeys.length === 0 ? undefined : await decryptedBody(reader, options);
    const { data, signatures } = await openAny(reader, body, options);
    let bytesOut = 0;
    for await (const piece of data) {
      bytesOut += piece.length;
      if (bytesOut > options.maxBytes)
        throw new FormatFault('PGP_BOMB', `The message has more than ${options.maxBytes} bytes in it.`);
      yield piece;
    }
    // Its last bytes say whether it was altered; what reads the content need not have come to them.
    while (body !== undefined && (await body.next()).done !== true);
    if (options.isSignatureRequired) await verify(signatures);
  } catch (error) {
    if (input.fault !== undefined) throw input.fault;
    throw error instanceof FormatFault ? error : faultOf(error);
  } finally {
    await input.close();
  }
}

/** Content that nobody has to verify is read without the library. */
async function openAny(
  reader: ByteReader,
  body: AsyncGenerator<Uint8Array> | undefined,
  options: OpenMessage,
): Promise<Opened> {
  if (body === undefined) return await open(reader.all(), true, options);
  const inner = new ByteReader(body);
  const header = await orAltered(readHeader(inner), body);
  const expanded = header?.tag === COMPRESSED ? await orAltered(readCompressed(inner, header), body) : undefined;
  if (expanded === undefined) return await openContent(inner, header, body, options);
  const packets = new ByteReader(orAlteredPieces(expanded, body));
  return await openContent(packets, await readHeader(packets), body, options);
}

async function openContent(
  reader: ByteReader,
  header: PacketHeader | undefined,
  body: AsyncGenerator<Uint8Array>,
  options: OpenMessage,
): Promise<Opened> {
  if (options.isSignatureRequired || header?.tag !== LITERAL) return await open(reader.all(), false, options);
  const literal = await orAltered(readLiteral(reader, header), body);
  return { data: orAlteredPieces(bodyPieces(reader, literal), body), signatures: [] };
}

/** What was altered says so, whatever its packets look like. */
async function orAltered<Result>(work: Promise<Result>, body: AsyncGenerator<Uint8Array>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    for await (const _piece of body);
    throw error;
  }
}

async function* orAlteredPieces(
  pieces: AsyncGenerator<Uint8Array>,
  body: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { done, value } = await orAltered(pieces.next(), body);
    if (done === true) return;
    yield value;
  }
}

/** The packets inside of the usual encrypted message; undefined for others, of which `reader` gives all to the library. */
async function decryptedBody(
  reader: ByteReader,
  { decryptionKeys }: OpenMessage,
): Promise<AsyncGenerator<Uint8Array> | undefined> {
  const encrypted = await readEncryptedMessage(reader);
  if (encrypted === undefined) return undefined;
  const openpgp = await loadOpenpgp();
  const message = await openpgp.readMessage({ binaryMessage: encrypted.sessionKeys });
  const keys = await openpgp.decryptSessionKeys({ message, decryptionKeys: [...decryptionKeys] });
  const [key] = keys;
  const cipher = key && cipherOf(key);
  // Several can only be told apart by trying.
  if (keys.length !== 1 || key === undefined || cipher === undefined) return undefined;
  reader.forget();
  return decryptBody(reader, encrypted.length, { cipher, key: key.data });
}

type VerificationResult = DecryptMessageResult['signatures'][number];

interface Opened {
  readonly data: AsyncIterable<Uint8Array>;
  readonly signatures: readonly VerificationResult[];
}

async function open(
  bytes: AsyncGenerator<Uint8Array>,
  isEncrypted: boolean,
  { decryptionKeys, verificationKeys }: OpenMessage,
): Promise<Opened> {
  const openpgp = await loadOpenpgp();
  // Node's stream and the one of the library's types are the same at run time.
  const message: Message<never> = await openpgp.readMessage({ binaryMessage: (await begin(bytes)) as never });
  const date = new Date(Date.now() + CLOCKS_APART_MS);
  const common = { message, verificationKeys: [...verificationKeys], format: 'binary' as const, date };
  const config = { allowUnauthenticatedStream: true };
  const opened =
    decryptionKeys.length === 0 || !isEncrypted
      ? await openpgp.verify({ ...common, config })
      : await openpgp.decrypt({ ...common, decryptionKeys: [...decryptionKeys], config });
  for (const { verified } of opened.signatures) verified.catch(() => {});
  return { data: opened.data as unknown as AsyncIterable<Uint8Array>, signatures: opened.signatures };
}

/** One signature of a known key is enough: a message may have others. */
async function verify(signatures: readonly VerificationResult[]): Promise<void> {
  if (signatures.length === 0) throw new FormatFault('PGP_UNSIGNED', 'The message is not signed.');
  const verdicts = await Promise.allSettled(signatures.map(({ verified }) => verified));
  if (verdicts.some(({ status }) => status === 'fulfilled')) return;
  const reasons = verdicts.map((verdict) => (verdict.status === 'rejected' ? String(verdict.reason) : ''));
  const known = reasons.find((reason) => !/could not find/i.test(reason));
  if (known === undefined)
    throw new FormatFault('PGP_SIGNER_UNKNOWN', 'The message is signed by none of the keys that the route names.');
  if (/expired|revoked|not yet valid|in the future/i.test(known))
    throw new FormatFault('PGP_KEY_EXPIRED', 'The key or the signature of the sender is not valid at this time.');
  throw new FormatFault('PGP_SIGNATURE_INVALID', 'The signature does not belong to the content.');
}

/** By the library's words, which stay in the code: they may hold what the sender wrote. */
function faultOf(error: unknown): FormatFault {
  const text = error instanceof Error ? error.message : '';
  if (/no encrypted data|not.*encrypted/i.test(text))
    return new FormatFault('PGP_NOT_ENCRYPTED', 'The file is a PGP message that is not encrypted.');
  if (/modification detected|authentication tag mismatch|integrity|digest did not match|operation failed/i.test(text))
    return new FormatFault('PGP_ALTERED', 'The message was changed after it was encrypted.');
  if (/session key|no decryption key|decryption key packets|passphrase/i.test(text))
    return new FormatFault('PGP_KEY_UNKNOWN', 'The message is encrypted to none of the keys that the route names.');
  if (/expired/i.test(text)) return new FormatFault('PGP_KEY_EXPIRED', 'A key is not valid at this time.');
  if (/end of|unexpected end|premature|truncated|missing/i.test(text))
    return new FormatFault('PGP_TRUNCATED', 'The message is not whole.');
  return new FormatFault('PGP_SYNTAX', 'The file is not a PGP message.');
}

/** Whether armored or not. */
async function* binaryOf(reader: ByteReader): AsyncGenerator<Uint8Array> {
  let beginning: Uint8Array = new Uint8Array(0);
  while (beginning.length < BEGINNING_BYTES) {
    const more = await reader.some(BEGINNING_BYTES - beginning.length);
    if (more === undefined) break;
    beginning = Buffer.concat([beginning, more]);
  }
  yield* isArmored(beginning) ? readArmored(reader.all()) : reader.all();
}

async function begin(pieces: AsyncGenerator<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const { value: first } = await pieces.next();
  if (first === undefined) throw new FormatFault('PGP_SYNTAX', 'The file is empty.');
  let pending: Uint8Array | undefined = first;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = pending ?? (await pieces.next()).value;
        pending = undefined;
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Keeps what the source itself throws apart from faults of the message. */
class WatchedSource implements AsyncIterator<Uint8Array> {
  fault: unknown;
  readonly #pieces: AsyncIterator<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#pieces.next();
    } catch (error) {
      this.fault = error;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}
