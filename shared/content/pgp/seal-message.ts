/** Encrypts and signs content as one PGP message, as a stream. */
import { ReadableStream } from 'node:stream/web';
import type { PrivateKey, PublicKey } from 'openpgp';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { loadOpenpgp } from './pgp-keys.ts';

export interface SealMessage {
  /** Empty: signed alone. */
  readonly encryptionKeys: readonly PublicKey[];
  /** Empty: not signed. */
  readonly signingKeys: readonly PrivateKey[];
  readonly isArmored: boolean;
}

/** @throws FormatFault `PGP_KEY_EXPIRED`; whatever `source` throws comes through unchanged */
export async function* sealPgpMessage(
  source: AsyncIterable<Uint8Array>,
  { encryptionKeys, signingKeys, isArmored }: SealMessage,
): AsyncGenerator<Uint8Array> {
  const openpgp = await loadOpenpgp();
  const pieces = source[Symbol.asyncIterator]();
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
  try {
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
  } finally {
    await pieces.return?.();
  }
}

/** Nothing was read yet: what is wrong is a key. */
function unusableKey(error: unknown): unknown {
  if (!(error instanceof Error) || !/key|expired|revoked/i.test(error.message)) return error;
  const message =
    'A key of the route cannot encrypt or sign at this time: it has expired, was revoked, or is for another use.';
  return new FormatFault('PGP_KEY_EXPIRED', message);
}
