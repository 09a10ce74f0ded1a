/**
 * Sends one file in parts, and continues where an earlier try of it stopped: today, or after the browser was closed.
 *
 * 1. What a file is, is known by its place, size, time and ends; the Idempotency-Key made of them finds its upload again. Which parts
 *    are missing is the store's word. It is noted before its first part is sent, so that a page that is opened again can name it.
 * 2. A lost connection and a session that ended are waited for; anything else ends the try, and the next one continues.
 */
import type { PartUrl, Upload } from '#shared/api/uploads.ts';
import { post } from '../api/client.ts';
import { Problem, UNREACHABLE } from '../api/problem.ts';
import type { Checksums } from './checksums.ts';

export interface SendOptions {
  readonly file: File;
  readonly directory: string;
  readonly checksums: Checksums;
  /** Nothing is sent until it resolves. */
  readonly onBegin: (upload: Upload) => Promise<void>;
  /** Bytes that the store has. */
  readonly onProgress: (bytes: number) => void;
  /** What it waits for; undefined: it continues. */
  readonly onWait: (why: string | undefined) => void;
  readonly signal: AbortSignal;
}

const SIDE_BY_SIDE = 4;
const AGAIN_MS = 2_000;
const TRIES = 5;
const END_BYTES = 1_048_576;
const UNAUTHENTICATED = 401;

export async function sendFile(options: SendOptions): Promise<Upload> {
  const { file, directory, signal } = options;
  const key = await keyOf(file, directory);
  const find = (): Promise<Upload> =>
    patiently(options, () =>
      post<Upload>(
        '/api/v1/uploads',
        { path: directory, name: file.name, size: file.size },
        { headers: { 'idempotency-key': key }, signal },
      ),
    );
  const upload = await find();
  await options.onBegin(upload);
  if (upload.state === 'completed') return upload;
  try {
    return await sendParts(options, upload);
  } catch (error) {
    // Where the same file was chosen twice, the other one may have completed the upload of both.
    if (!(error instanceof Problem) || error.code !== 'UPLOAD_ENDED') throw error;
    const now = await find();
    if (now.state !== 'completed') throw error;
    return now;
  }
}

async function sendParts(options: SendOptions, upload: Upload): Promise<Upload> {
  const { file, checksums, signal } = options;
  const partBytes = upload.part_size ?? file.size;
  const count = upload.parts ?? 1;
  const missing = new Set(upload.missing);
  let done = 0;
  const sending = new Set<Promise<void>>();
  const reading = crypto.randomUUID();
  for (let part = 1; part <= count; part += 1) {
    const piece = file.slice((part - 1) * partBytes, part * partBytes);
    const crc64nvme = await checksums.ofPart(reading, piece);
    signal.throwIfAborted();
    const put = (missing.has(part) ? sendPart(options, upload, { part, piece, crc64nvme }) : Promise.resolve()).then(
      () => {
        sending.delete(put);
        done += piece.size;
        options.onProgress(done);
      },
    );
    // The first that fails ends the try; the others are stopped with it.
    put.catch(() => {});
    sending.add(put);
    if (sending.size >= SIDE_BY_SIDE) await Promise.race(sending);
  }
  await Promise.all(sending);
  const crc64nvme = await checksums.ofWhole(reading);
  return await patiently(options, () =>
    post<Upload>(`/api/v1/uploads/${upload.upload_id}/complete`, { crc64nvme }, { signal }),
  );
}

interface Piece {
  readonly part: number;
  readonly piece: Blob;
  readonly crc64nvme: string;
}

async function sendPart(options: SendOptions, { upload_id }: Upload, { part, piece, crc64nvme }: Piece): Promise<void> {
  const { signal } = options;
  for (let tried = 1; ; tried += 1) {
    const { urls } = await patiently(options, () =>
      post<{ urls: PartUrl[] }>(`/api/v1/uploads/${upload_id}/urls`, { parts: [{ part, crc64nvme }] }, { signal }),
    );
    const [to] = urls;
    if (to === undefined) throw new Error('the API gave no URL');
    try {
      const response = await fetch(to.url, { method: 'PUT', headers: to.headers, body: piece, signal });
      if (response.ok) return;
      if (tried >= TRIES) throw new Error(`The store answered ${response.status} to part ${part}.`);
    } catch (error) {
      signal.throwIfAborted();
      if (navigator.onLine && tried >= TRIES) throw error;
    }
    await online(options);
    await delay(AGAIN_MS, signal);
  }
}

/** Again and again while the API is down, or the person is signed out. */
async function patiently<Answer>(options: SendOptions, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      const answer = await ask();
      options.onWait(undefined);
      return answer;
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof Problem) || !(error.status === UNAUTHENTICATED || error.code === UNREACHABLE)) throw error;
      options.onWait(
        error.status === UNAUTHENTICATED ? 'Sign in again, and it continues.' : 'Waiting for the connection.',
      );
      await delay(AGAIN_MS, options.signal);
    }
  }
}

async function online({ onWait, signal }: SendOptions): Promise<void> {
  while (!navigator.onLine) {
    onWait('Offline. It continues when the connection is back.');
    await delay(AGAIN_MS, signal);
  }
  onWait(undefined);
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      },
      { once: true },
    );
  });
}

async function keyOf(file: File, directory: string): Promise<string> {
  const ends = [file.slice(0, END_BYTES), file.slice(-END_BYTES)];
  const facts = new Blob([JSON.stringify([directory, file.name, file.size, file.lastModified]), ...ends]);
  const digest = await crypto.subtle.digest('SHA-256', await facts.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
