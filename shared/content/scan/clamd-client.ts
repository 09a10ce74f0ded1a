/**
 * One scan by clamd: the bytes are streamed to it (INSTREAM), nothing of them is put on its disk by us.
 *
 * 1. A scan has a verdict only when clamd sent one. Whatever else happens is `unavailable`.
 * 2. clamd answers early where it has had enough, and closes: its answer counts, and not that writing failed. A clean one does not: it is
 *    about the whole stream, which the store's checksum has passed.
 */
import { connect, type Socket } from 'node:net';
import type { ClamdAddress } from './scan-variables.ts';

export type ScanVerdict =
  | { readonly type: 'clean' }
  | { readonly type: 'infected'; readonly signature: string }
  /** More than a limit of clamd: nobody has looked at what is beyond it. */
  | { readonly type: 'too-large' }
  /** An archive or document that only opens with a password. */
  | { readonly type: 'encrypted' }
  | { readonly type: 'unavailable'; readonly message: string };

export interface ClamdTimes {
  readonly connectMs: number;
  /** Without a byte taken, and for the answer after the last byte. */
  readonly stallMs: number;
}

/** clamd may unpack for long before it answers. */
export const CLAMD_TIMES: ClamdTimes = { connectMs: 5_000, stallMs: 120_000 };

const LONGEST_ANSWER_BYTES = 4_096;
const END_OF_STREAM = Buffer.alloc(4);

/** @throws what `bytes` throws, and the reason of `signal`. */
export async function scanWithClamd(
  address: ClamdAddress,
  bytes: AsyncIterable<Uint8Array>,
  { signal, times = CLAMD_TIMES }: { readonly signal: AbortSignal; readonly times?: ClamdTimes },
): Promise<ScanVerdict> {
  signal.throwIfAborted();
  const socket = 'path' in address ? connect(address.path) : connect(address);
  const abort = () => socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  socket.setTimeout(times.connectMs, () => socket.destroy(new Error('timed out')));
  try {
    const answer = readAnswer(socket);
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()).once('close', () => resolve()));
    socket.setTimeout(times.stallMs);
    const isWhole = await send(socket, bytes);
    const verdict = verdictOf(await answer);
    signal.throwIfAborted();
    if (verdict.type !== 'clean' || isWhole) return verdict;
    return { type: 'unavailable', message: 'clamd answered before it had the whole file' };
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

/** What clamd sent before the connection ended; the reason of the end where that is nothing. */
async function readAnswer(socket: Socket): Promise<string> {
  let text = '';
  let reason = 'it closed the connection without an answer';
  socket.on('data', (piece) => {
    text += piece.toString('utf8');
    if (text.includes('\0') || text.length > LONGEST_ANSWER_BYTES) socket.destroy();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message;
  });
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return text === '' ? `${UNANSWERED}${reason}` : text.slice(0, LONGEST_ANSWER_BYTES);
}

const UNANSWERED = 'unanswered: ';

/** False when clamd does not take more: what it answered says why. */
async function send(socket: Socket, bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  if (!(await write(socket, 'zINSTREAM\0'))) return false;
  for await (const piece of bytes) {
    if (piece.length === 0) continue;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(piece.length);
    // In one call of the system.
    socket.cork();
    socket.write(length, ignoreError);
    const written = write(socket, piece);
    socket.uncork();
    if (!(await written)) return false;
  }
  return await write(socket, END_OF_STREAM);
}

function ignoreError(): void {}

function write(socket: Socket, piece: Uint8Array | string): Promise<boolean> {
  if (socket.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const close = () => resolve(false);
    socket.once('close', close);
    socket.write(piece, (error) => {
      socket.removeListener('close', close);
      resolve(error === null || error === undefined);
    });
  });
}

function verdictOf(text: string): ScanVerdict {
  const answer = /^stream: (?:(OK)|(.{1,200}) FOUND)\0/s.exec(text);
  const signature = answer?.[2]?.replace(/[^\x21-\x7e]/g, '?');
  if (answer?.[1] !== undefined) return { type: 'clean' };
  if (signature?.startsWith('Heuristics.Limits.')) return { type: 'too-large' };
  if (signature?.startsWith('Heuristics.Encrypted.')) return { type: 'encrypted' };
  if (signature !== undefined) return { type: 'infected', signature };
  if (text.startsWith('INSTREAM size limit exceeded')) return { type: 'too-large' };
  const said = text.startsWith(UNANSWERED) ? text.slice(UNANSWERED.length) : 'it answered with an error';
  return { type: 'unavailable', message: `clamd gave no verdict: ${said}` };
}
