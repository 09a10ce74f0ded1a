/**
 * Files of an FTPS server. What each reply means is the protocol's (RFC 959, 2428, 3659), as far as servers keep to it.
 *
 * 1. A data connection has no length, and servers say 226 to what they cut short: whoever reads compares with `stat`, and `write` asks for the
 *    size of what it wrote.
 * 2. A control connection that ends before the reply to STOR or RNTO leaves the outcome unknown: `lost`.
 */
import { Readable } from 'node:stream';
import { type Client, FTPError } from 'basic-ftp';
import type { RemoteConnection, RemoteEntry, RemoteFile } from '../remote-connection.ts';
import { RemoteError, type RemoteFault } from '../remote-error.ts';
import { listDirectory, listLines } from './list-directory.ts';
import { handshakeAnswered, readNextInto } from './open-data-connection.ts';
import { DataReader } from './read-data.ts';

export interface FtpsConnectionOptions {
  readonly client: Client;
  readonly fingerprint: string;
  readonly certificateEndsAt: string | undefined;
  /** Upper case. */
  readonly features: ReadonlySet<string>;
}

const FAULTS: Readonly<Record<number, RemoteFault>> = {
  421: 'busy',
  425: 'tls-reuse',
  426: 'lost',
  452: 'no-space',
  522: 'tls-reuse',
  530: 'denied',
  532: 'denied',
  552: 'no-space',
};
const NO_SUCH_COMMAND = new Set([500, 502, 504]);

export class FtpsConnection implements RemoteConnection {
  readonly fingerprint: string;
  /** Its bytes come one after the other. */
  readonly unsureTailBytes = 0;
  readonly certificateEndsAt: string | undefined;
  readonly hashOf: RemoteConnection['hashOf'];
  readonly #client: Client;
  readonly #features: ReadonlySet<string>;
  #isGivenUp = false;

  constructor({ client, fingerprint, certificateEndsAt, features }: FtpsConnectionOptions) {
    this.#client = client;
    this.fingerprint = fingerprint;
    this.certificateEndsAt = certificateEndsAt;
    this.#features = features;
    if (features.has('XSHA256')) this.hashOf = (path) => this.#sha256Of(path);
  }

  get isUsable(): boolean {
    return !this.#isGivenUp && !this.#client.closed;
  }

  async *list(directory: string): AsyncIterable<RemoteEntry> {
    // Many servers answer LIST of a directory that is not there with an empty listing.
    await this.#ask('enter the directory', () => this.#client.cd(directory), 'path-gone');
    const isExact = this.#features.has('MLST') || this.#features.has('MLSD');
    let isWhole = false;
    try {
      for await (const entry of listDirectory(this.#client, isExact ? 'MLSD' : 'LIST')) yield entry;
      isWhole = true;
    } catch (error) {
      throw this.#faultOf('list the directory', error);
    } finally {
      if (!isWhole) this.#giveUp();
    }
  }

  /** Of LIST in a working directory, for servers whose listings are read elsewhere. None where the server says that there is nothing. */
  async *lines(workingDirectory: string): AsyncIterable<string> {
    await this.#ask('enter the directory', () => this.#client.cd(workingDirectory), 'path-gone');
    let isWhole = false;
    try {
      yield* listLines(this.#client, 'LIST');
      isWhole = true;
    } catch (error) {
      isWhole = error instanceof FTPError && error.code === 550;
      if (!isWhole) throw this.#faultOf('list the directory', error);
    } finally {
      if (!isWhole) this.#giveUp();
    }
  }

  async stat(path: string): Promise<RemoteFile | undefined> {
    const sizeBytes = await this.#sizeOf(path);
    return sizeBytes === undefined ? undefined : { sizeBytes, modifiedAt: await this.#timeOf(path) };
  }

  async *read(path: string, offset = 0, sizeBytes?: number): AsyncIterable<Uint8Array> {
    const { ftp } = this.#client;
    const reader = new DataReader(sizeBytes === undefined ? undefined : sizeBytes - offset);
    readNextInto(ftp, reader);
    let failure: RemoteError | undefined;
    const download = this.#client
      .downloadTo(reader.end, path, offset)
      .finally(() => readNextInto(ftp, undefined))
      .catch(async (error: unknown) => {
        failure = await this.#whyNotRead(path, this.#faultOf('read the file', error));
        reader.fail(failure);
      });
    let isWhole = false;
    try {
      yield* reader.pieces();
      isWhole = true;
      // The reply that says so can come after the data ended.
      await download;
      if (failure !== undefined) throw failure;
    } finally {
      if (!isWhole && failure === undefined) this.#giveUp();
      await download;
    }
  }

  async write(path: string, body: AsyncIterable<Uint8Array>, { offset = 0 } = {}): Promise<number> {
    if (offset > 0 && (await this.#sizeOf(path)) !== offset)
      throw new RemoteError('refused', `the file does not have the ${offset} bytes that would be gone on with`);
    let written = 0;
    let failure: { readonly error: unknown } | undefined;
    const { ftp } = this.#client;
    async function* counted(): AsyncIterable<Uint8Array> {
      try {
        for await (const piece of body) {
          written += piece.byteLength;
          yield piece;
        }
        if (written === 0) await handshakeAnswered(ftp.dataSocket);
      } catch (error) {
        failure = { error };
        throw error;
      }
    }
    const source = Readable.from(counted(), { objectMode: false });
    try {
      await this.#ask('write the file', () =>
        offset === 0 ? this.#client.uploadFrom(source, path) : this.#client.appendFrom(source, path),
      );
    } catch (error) {
      // What the body threw is its own; the server keeps a part of a file.
      if (failure !== undefined) throw failure.error;
      throw error;
    } finally {
      source.destroy();
    }
    const sizeBytes = await this.#sizeOf(path);
    if (sizeBytes !== undefined && sizeBytes !== offset + written)
      throw new RemoteError('refused', `the server has ${sizeBytes} bytes of ${offset + written} that were written`);
    return written;
  }

  async rename(from: string, to: string, { overwrite = false } = {}): Promise<void> {
    if (!overwrite && (await this.#sizeOf(to)) !== undefined)
      throw new RemoteError('exists', 'a file of that name is there');
    await this.#ask('name the file to rename', () => this.#client.send(`RNFR ${checked(from)}`), 'path-gone');
    await this.#ask('rename the file', () => this.#client.send(`RNTO ${checked(to)}`));
  }

  async remove(path: string): Promise<void> {
    try {
      await this.#ask('remove the file', () => this.#client.send(`DELE ${checked(path)}`));
    } catch (error) {
      if (!(error instanceof RemoteError) || error.reply !== 550) throw error;
      if ((await this.#sizeOf(path)) === undefined)
        throw new RemoteError('path-gone', 'the file is not there', { reply: 550 });
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#giveUp();
  }

  /** A reply says neither whether the file is gone nor whether we may not have it. */
  async #whyNotRead(path: string, failure: RemoteError): Promise<RemoteError> {
    if (failure.reply === undefined || !this.isUsable) return failure;
    const isThere = await this.#sizeOf(path).catch(() => 'unknown');
    return isThere === undefined
      ? new RemoteError('path-gone', 'the file is not there', { reply: failure.reply })
      : failure;
  }

  #giveUp(): void {
    this.#isGivenUp = true;
    this.#client.close();
  }

  async #sizeOf(path: string): Promise<number | undefined> {
    try {
      const { message } = await this.#client.send(`SIZE ${checked(path)}`);
      // ftp-srv leaves a 0 out.
      const size = Number(/^213[ -]?(\d{0,16})/.exec(message)?.[1] ?? Number.NaN);
      if (Number.isSafeInteger(size)) return size;
    } catch (error) {
      if (error instanceof FTPError && error.code === 550) return undefined;
      throw this.#faultOf('ask for the size of the file', error);
    }
    throw new RemoteError('protocol', 'the server tells no size of a file');
  }

  /** In UTC (RFC 3659). */
  async #timeOf(path: string): Promise<string | undefined> {
    if (!this.#features.has('MDTM')) return undefined;
    try {
      const { message } = await this.#client.send(`MDTM ${checked(path)}`);
      const [, year, month, day, hour, minute, second] =
        /^213 (\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(message) ?? [];
      return year === undefined ? undefined : `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
    } catch (error) {
      if (error instanceof FTPError && (error.code === 550 || NO_SUCH_COMMAND.has(error.code))) return undefined;
      throw this.#faultOf('ask for the time of the file', error);
    }
  }

  /** Without quotes a path with blanks is a path and a range. */
  async #sha256Of(path: string): Promise<string | undefined> {
    if (path.includes('"')) return undefined;
    try {
      const { message } = await this.#client.send(`XSHA256 "${checked(path)}"`);
      return /\b[0-9a-f]{64}\b/i.exec(message)?.[0]?.toLowerCase();
    } catch (error) {
      if (error instanceof FTPError && error.code >= 500) return undefined;
      throw this.#faultOf('ask for the hash of the file', error);
    }
  }

  async #ask<Result>(doing: string, run: () => Promise<Result>, on550?: RemoteFault): Promise<Result> {
    try {
      return await run();
    } catch (error) {
      throw this.#faultOf(doing, error, on550);
    }
  }

  #faultOf(doing: string, error: unknown, on550: RemoteFault = 'denied'): RemoteError {
    if (error instanceof RemoteError) {
      if (error.endsConnection || error.fault === 'untrusted') this.#giveUp();
      return error;
    }
    if (error instanceof FTPError) {
      const fault = error.code === 550 || error.code === 553 ? on550 : (FAULTS[error.code] ?? 'refused');
      const failure = new RemoteError(fault, `could not ${doing}`, { reply: error.code });
      if (failure.endsConnection) this.#giveUp();
      return failure;
    }
    this.#giveUp();
    const cause = error instanceof Error ? error.message : '';
    // basic-ftp's own words.
    if (cause.startsWith('Timeout'))
      return new RemoteError('stalled', `could not ${doing}: nothing came from the server`);
    return new RemoteError('lost', `could not ${doing}: the connection ended`);
  }
}

function checked(path: string): string {
  // basic-ftp refuses them too; a path here is canonical already.
  if (/[\r\n\0]/.test(path)) throw new RemoteError('place-refused', 'the path has a control character');
  return path;
}
