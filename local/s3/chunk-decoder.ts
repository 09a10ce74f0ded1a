/**
 * Decodes `aws-chunked` bodies: signed chunks, and trailers signed or not (Amazon S3 API reference, "Signature calculations:
 * transferring payload in multiple chunks").
 *
 * 1. Bytes are handed on as they come; the caller commits nothing before `finish`, which proves that all signatures were right
 *    and the last chunk was seen.
 */
import { createHash, createHmac, type Hash } from 'node:crypto';
import { S3Error } from '#local/s3/s3-error.ts';
import type { ChunkSigning } from '#local/s3/signature.ts';

export interface ChunkDecoderOptions {
  /** Absent for unsigned chunks. */
  readonly signing?: ChunkSigning;
  readonly hasTrailer: boolean;
}

/** A chunk's size line or a trailer's line; longer ones are an attack or a fault. */
const MAX_LINE_BYTES = 4096;
const MAX_TRAILER_LINES = 16;
const EMPTY_SHA256 = createHash('sha256').digest('hex');

type State = 'size' | 'data' | 'dataEnd' | 'trailer' | 'done';

export class ChunkDecoder {
  readonly trailers = new Map<string, string>();
  readonly #signing: ChunkSigning | undefined;
  readonly #hasTrailer: boolean;
  #state: State = 'size';
  #line = '';
  #leftInChunk = 0;
  #chunkSignature = '';
  #previousSignature: string;
  #chunkHash: Hash | undefined;
  #trailerText = '';

  constructor({ signing, hasTrailer }: ChunkDecoderOptions) {
    this.#signing = signing;
    this.#hasTrailer = hasTrailer;
    this.#previousSignature = signing?.seedSignature ?? '';
  }

  /** The content in `chunk`, as views of it. */
  push(chunk: Buffer): Buffer[] {
    const content: Buffer[] = [];
    let index = 0;
    while (index < chunk.length) {
      if (this.#state === 'data') {
        const piece = chunk.subarray(index, index + this.#leftInChunk);
        this.#chunkHash?.update(piece);
        content.push(piece);
        index += piece.length;
        this.#leftInChunk -= piece.length;
        if (this.#leftInChunk === 0) this.#endChunk('dataEnd');
      } else {
        const newline = chunk.indexOf(10, index);
        const end = newline < 0 ? chunk.length : newline;
        if (this.#line.length + end - index > MAX_LINE_BYTES) throw malformed('a line is too long');
        this.#line += chunk.toString('latin1', index, end);
        index = end + 1;
        if (newline >= 0) this.#takeLine();
      }
    }
    return content;
  }

  /** @throws S3Error `IncompleteBody` when the body ended before its last chunk. */
  finish(): void {
    // The end of the last chunk is an empty line, which some clients leave out when nothing follows.
    if (this.#state === 'trailer' && !this.#hasTrailer && this.#line === '') return;
    if (this.#state === 'done' && this.#line !== '') throw malformed('bytes follow the last chunk');
    if (this.#state !== 'done') throw new S3Error('IncompleteBody', 'The request body terminated unexpectedly.');
  }

  #takeLine(): void {
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    switch (this.#state) {
      case 'size':
        this.#startChunk(line);
        return;
      case 'dataEnd':
        if (line !== '') throw malformed('a chunk is longer than its size');
        this.#state = 'size';
        return;
      case 'trailer':
        this.#takeTrailer(line);
        return;
      default:
        if (line !== '') throw malformed('bytes follow the last chunk');
    }
  }

  #startChunk(line: string): void {
    const match = /^([0-9a-fA-F]{1,13})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
    if (match === null) throw malformed('a chunk has no size');
    if (this.#signing !== undefined && match[2] === undefined) throw malformed('a chunk has no signature');
    this.#leftInChunk = Number.parseInt(match[1]!, 16);
    this.#chunkSignature = match[2] ?? '';
    if (this.#signing !== undefined) this.#chunkHash = createHash('sha256');
    if (this.#leftInChunk === 0) this.#endChunk('trailer');
    else this.#state = 'data';
  }

  #endChunk(next: State): void {
    this.#state = next;
    if (this.#signing === undefined || this.#chunkHash === undefined) return;
    const contentHash = this.#chunkHash.digest('hex');
    this.#checkSignature('AWS4-HMAC-SHA256-PAYLOAD', `${EMPTY_SHA256}\n${contentHash}`, this.#chunkSignature);
    this.#chunkHash = undefined;
  }

  #takeTrailer(line: string): void {
    const colon = line.indexOf(':');
    if (line === '' || !this.#hasTrailer) {
      if (line !== '') throw malformed('a trailer was not announced');
      if (this.#hasTrailer && this.#signing !== undefined && this.#trailerText !== '')
        throw new S3Error('SignatureDoesNotMatch', 'The trailer is not signed.');
      this.#state = 'done';
    } else if (colon < 1) throw malformed('a trailer has no name');
    else this.#storeTrailer(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }

  #storeTrailer(name: string, value: string): void {
    if (name === 'x-amz-trailer-signature') {
      const trailerHash = createHash('sha256').update(this.#trailerText, 'latin1').digest('hex');
      this.#checkSignature('AWS4-HMAC-SHA256-TRAILER', trailerHash, value);
      this.#trailerText = '';
      return;
    }
    if (this.trailers.size >= MAX_TRAILER_LINES) throw malformed('too many trailers');
    this.trailers.set(name, value);
    this.#trailerText += `${name}:${value}\n`;
  }

  #checkSignature(kind: string, hashes: string, given: string): void {
    if (this.#signing === undefined) return;
    const { signingKey, timestamp, scope } = this.#signing;
    const expected = createHmac('sha256', signingKey)
      .update(`${kind}\n${timestamp}\n${scope}\n${this.#previousSignature}\n${hashes}`)
      .digest('hex');
    if (expected !== given) throw new S3Error('SignatureDoesNotMatch', 'The signature of a chunk does not match.');
    this.#previousSignature = given;
  }
}

function malformed(fault: string): S3Error {
  return new S3Error('InvalidRequest', `The aws-chunked body is malformed: ${fault}.`);
}
