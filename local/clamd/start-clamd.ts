/**
 * A stand-in for clamd: PING, VERSION and INSTREAM over TCP. It knows one virus, the EICAR test file, as it is or in a zip in a zip.
 *
 * 1. Limits are as those of clamd: a stream of more than `streamMaxBytes` is refused, and what is in archives larger than `lookBytes` is
 *    found only where it is stored as it is.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import * as yauzl from 'yauzl';
import { EICAR } from '#shared/content/scan/eicar.ts';

export interface ClamdStandIn {
  readonly port: number;
  stop(): Promise<void>;
}

export interface ClamdOptions {
  readonly host: string;
  readonly port: number;
  readonly streamMaxBytes?: number;
  /** False: as a clamd without signatures. */
  readonly knowsEicar?: boolean;
}

const MIB = 1024 ** 2;
const LOOK_BYTES = 16 * MIB;
const DEEPEST = 16;
const NEEDLE = Buffer.from(EICAR);
const LONGEST_COMMAND_BYTES = 64;

export async function startClamd(options: ClamdOptions): Promise<ClamdStandIn> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    serve(socket, options).then(
      (answer) => socket.end(answer),
      () => socket.destroy(),
    );
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening server has an address');
  return {
    port: address.port,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Resolves to the answer. */
async function serve(socket: Socket, options: ClamdOptions): Promise<string> {
  const bytes = new ByteQueue(socket);
  const command = await bytes.until('\0', LONGEST_COMMAND_BYTES);
  switch (command) {
    case 'zPING':
      return 'PONG\0';
    case 'zVERSION':
      return 'ClamAV stand-in/0\0';
    case 'zINSTREAM':
      return await scanStream(bytes, options);
    default:
      return 'UNKNOWN COMMAND\0';
  }
}

async function scanStream(bytes: ByteQueue, { streamMaxBytes = 4_000 * MIB, knowsEicar = true }: ClamdOptions) {
  const kept: Buffer[] = [];
  let [seenBytes, tail, isFound] = [0, Buffer.alloc(0), false];
  for (;;) {
    const length = (await bytes.take(4)).readUInt32BE();
    if (length === 0) break;
    seenBytes += length;
    if (seenBytes > streamMaxBytes) return 'INSTREAM size limit exceeded. ERROR\0';
    for await (const piece of bytes.pieces(length)) {
      const window = Buffer.concat([tail, piece]);
      isFound ||= window.includes(NEEDLE);
      tail = window.subarray(Math.max(0, window.length - NEEDLE.length + 1));
      if (seenBytes <= LOOK_BYTES) kept.push(piece);
    }
  }
  const isInside = !isFound && seenBytes <= LOOK_BYTES && (await holdsEicar(Buffer.concat(kept), DEEPEST));
  return knowsEicar && (isFound || isInside) ? 'stream: Eicar-Test-Signature FOUND\0' : 'stream: OK\0';
}

async function holdsEicar(content: Buffer, depth: number): Promise<boolean> {
  if (content.includes(NEEDLE)) return true;
  if (depth === 0 || content.subarray(0, 2).toString() !== 'PK') return false;
  try {
    // Names are of no interest, and one that leaves the archive would end the look.
    const zip = await yauzl.fromBufferPromise(content, { decodeStrings: false });
    for await (const entry of zip.eachEntry()) {
      if (entry.uncompressedSize > LOOK_BYTES || !entry.canDecodeFileData()) continue;
      const inside = await buffer(await zip.openReadStreamPromise(entry)).catch(() => undefined);
      if (inside !== undefined && (await holdsEicar(inside, depth - 1))) return true;
    }
  } catch {
    // As clamd, which looks at what it can read.
  }
  return false;
}

/** Reads a socket by counts of bytes. */
class ByteQueue {
  readonly #pieces: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#pieces = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  }

  async take(count: number): Promise<Buffer> {
    while (this.#rest.length < count) this.#rest = Buffer.concat([this.#rest, await this.#next()]);
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  async until(end: string, most: number): Promise<string> {
    while (!this.#rest.includes(end)) {
      if (this.#rest.length > most) throw new Error('the command is too long');
      this.#rest = Buffer.concat([this.#rest, await this.#next()]);
    }
    const text = (await this.take(this.#rest.indexOf(end) + 1)).toString('latin1');
    return text.slice(0, -1);
  }

  async *pieces(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (this.#rest.length === 0) this.#rest = await this.#next();
      const piece = await this.take(Math.min(left, this.#rest.length));
      left -= piece.length;
      yield piece;
    }
  }

  async #next(): Promise<Buffer> {
    const { done, value } = await this.#pieces.next();
    if (done === true) throw new Error('the connection ended');
    return value;
  }
}
