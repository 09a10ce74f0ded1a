/** Files of an SFTP server over one channel. What each status means is the protocol's (draft-ietf-secsh-filexfer-02), as far as servers keep to it. */
import type { Attributes, Client, FileEntry, SFTPWrapper } from 'ssh2';
import type { RemoteConnection, RemoteEntry, RemoteFile, RenameOptions, WriteOptions } from '../remote-connection.ts';
import { hasRemoteFault, RemoteError, type RemoteFault } from '../remote-error.ts';
import { RequestWatch } from '../request-watch.ts';
import { readAhead } from './read-ahead.ts';
import { MOST_PIECE_BYTES, UNSURE_TAIL_BYTES, writeBehind } from './write-behind.ts';

export interface SftpConnectionOptions {
  readonly client: Client;
  readonly sftp: SFTPWrapper;
  readonly fingerprint: string;
  readonly stallMs: number;
}

const FAULTS: Readonly<Record<number, RemoteFault>> = {
  2: 'path-gone',
  3: 'denied',
  5: 'protocol',
  6: 'lost',
  7: 'lost',
  10: 'path-gone',
  11: 'exists',
  12: 'denied',
  14: 'no-space',
  15: 'no-space',
};
const FILE_TYPE = 0o170_000;
const REGULAR = 0o100_000;
const DIRECTORY = 0o040_000;
const CLOSE_MS = 1_000;
const NEW_FILE_MODE = 0o644;
/** Of a file's writes. A server that takes them out of order is given no more to mix up. */
const MOST_UNANSWERED_AT_END = 1;

interface MoveOptions extends RenameOptions {
  /** The request that moves the file has left; its answer has not come. */
  readonly onSent?: () => void;
}

type Callback<Result> = (error?: Error | null, result?: Result) => void;

/** ssh2 splits what is longer into requests one after the other. This is its bound for servers of which it has no better. */
const LEAST_PIECE_BYTES = 31_952;

/** How much one request may ask for, which ssh2 learns from the server and keeps to itself. */
function pieceBytesOf(sftp: SFTPWrapper): { readonly read: number; readonly write: number } {
  const { _maxReadLen: read = LEAST_PIECE_BYTES, _maxWriteLen: write = LEAST_PIECE_BYTES } = sftp as unknown as {
    readonly _maxReadLen?: number;
    readonly _maxWriteLen?: number;
  };
  return { read: Math.min(read, MOST_PIECE_BYTES), write: Math.min(write, MOST_PIECE_BYTES) };
}

export class SftpConnection implements RemoteConnection {
  readonly fingerprint: string;
  readonly unsureTailBytes = UNSURE_TAIL_BYTES;
  readonly certificateEndsAt = undefined;
  readonly #client: Client;
  readonly #sftp: SFTPWrapper;
  readonly #watch: RequestWatch;
  readonly #stallMs: number;
  readonly #pieceBytes: { readonly read: number; readonly write: number };
  /** The connection that this is a use of. */
  readonly #whole: SftpConnection | undefined;
  readonly #uses = new Set<SftpConnection>();
  /** That the server lacks, learnt by asking. */
  readonly #lacking: Set<'posix-rename' | 'fsync'>;
  #isSpoilt = false;

  constructor({ client, sftp, fingerprint, stallMs }: SftpConnectionOptions, whole?: SftpConnection) {
    this.fingerprint = fingerprint;
    this.#client = client;
    this.#sftp = sftp;
    this.#stallMs = stallMs;
    this.#whole = whole;
    this.#pieceBytes = whole === undefined ? pieceBytesOf(sftp) : whole.#pieceBytes;
    this.#lacking = whole === undefined ? new Set() : whole.#lacking;
    this.#watch = new RequestWatch(stallMs, (error) => this.#ended(error));
    if (whole !== undefined) return;
    const end = (): void => this.#watch.end(new RemoteError('lost', 'the server closed the connection'));
    for (const event of ['close', 'end', 'exit'] as const) sftp.on(event, end);
    sftp.on('error', end);
    client.on('error', end);
    client.on('end', end);
    client.on('close', end);
  }

  get isUsable(): boolean {
    return this.#watch.ended === undefined && !this.#isSpoilt;
  }

  share(): RemoteConnection {
    const { fingerprint } = this;
    const use = new SftpConnection(
      { client: this.#client, sftp: this.#sftp, fingerprint, stallMs: this.#stallMs },
      this.#whole ?? this,
    );
    (this.#whole ?? this).#uses.add(use);
    const { ended } = (this.#whole ?? this).#watch;
    if (ended !== undefined) use.#watch.end(ended);
    return use;
  }

  /** The end of a use leaves the others alone; nobody else begins on a connection on which one stood still. */
  #ended(error: RemoteError): void {
    if (this.#whole === undefined) {
      this.#client.destroy();
      for (const use of this.#uses) use.#watch.end(error);
      return;
    }
    this.#whole.#uses.delete(this);
    if (error.fault === 'stalled') this.#whole.#isSpoilt = true;
  }

  async *list(directory: string): AsyncIterable<RemoteEntry> {
    const path = directory === '/' ? '/' : directory.replace(/\/$/, '');
    const handle = await this.#ask<Buffer>('open the directory', (done) => this.#sftp.opendir(path, done));
    try {
      while (true) {
        const page = await this.#ask<FileEntry[] | false>('list the directory', (done) =>
          this.#sftp.readdir(handle, (error, entries) =>
            // The end of a listing is its own error.
            isStatus(error, 1) ? done(undefined, false) : done(error, entries),
          ),
        );
        // As OpenSSH does: a server that gives empty pages gives them for ever.
        if (page === false || page.length === 0) return;
        for (const { filename, attrs } of page) {
          if (filename === '.' || filename === '..') continue;
          yield { name: filename, kind: kindOf(attrs), sizeBytes: attrs.size, modifiedAt: timeOf(attrs) };
        }
      }
    } finally {
      await this.#closeHandle(handle);
    }
  }

  async stat(path: string): Promise<RemoteFile | undefined> {
    try {
      const attrs = await this.#ask<Attributes>('look at the file', (done) => this.#sftp.stat(path, done));
      return kindOf(attrs) === 'directory' ? undefined : { sizeBytes: attrs.size, modifiedAt: timeOf(attrs) };
    } catch (error) {
      if (hasRemoteFault(error, 'path-gone')) return undefined;
      throw error;
    }
  }

  async *read(path: string, offset = 0, sizeBytes?: number): AsyncIterable<Uint8Array> {
    const handle = await this.#ask<Buffer>('open the file', (done) => this.#sftp.open(path, 'r', done));
    try {
      yield* readAhead(
        (buffer, at) =>
          this.#ask<number>('read the file', (done) =>
            this.#sftp.read(handle, buffer, 0, buffer.length, at, (error, count) => done(error, count)),
          ),
        { offset, pieceBytes: this.#pieceBytes.read, sizeBytes },
      );
    } finally {
      await this.#closeHandle(handle);
    }
  }

  async write(path: string, body: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<number> {
    return (await this.#send(path, body, options)).written;
  }

  async writeAndStat(
    path: string,
    body: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<RemoteFile | undefined> {
    const { offset = 0 } = options;
    const { written, look } = await this.#send(path, body, { ...options, isLookedAt: true });
    // The protocol demands that requests are carried out in their order; a server that does otherwise may have looked too early.
    return look?.sizeBytes === offset + written ? look : await this.stat(path);
  }

  async #send(
    path: string,
    body: AsyncIterable<Uint8Array>,
    { offset = 0, isLookedAt = false }: WriteOptions & { readonly isLookedAt?: boolean },
  ): Promise<{ readonly written: number; readonly look?: RemoteFile | undefined }> {
    const handle = await this.#ask<Buffer>('open the file', (done) =>
      this.#sftp.open(path, offset === 0 ? 'w' : 'r+', { mode: NEW_FILE_MODE }, done),
    );
    let isClosed = false;
    let end: Promise<RemoteFile | undefined> | undefined;
    // A server may tell only at the close that it could not keep what it took.
    const close = async (): Promise<void> => {
      isClosed = true;
      await this.#ask<void>('close the file', (done) => this.#sftp.close(handle, done));
    };
    try {
      const written = await writeBehind(
        body,
        (piece, at) =>
          this.#ask<void>('write the file', (done) => this.#sftp.write(handle, piece, 0, piece.length, at, done)),
        {
          ...{ offset, pieceBytes: this.#pieceBytes.write },
          onSent: (unanswered) => {
            if (unanswered > MOST_UNANSWERED_AT_END) return;
            // What follows is asked for at once, and every answer awaited: one way to the server and back instead of four.
            end = Promise.all([this.#sync(handle), close(), isLookedAt ? this.stat(path) : undefined]).then(
              (all) => all[2],
            );
            end.catch(() => {});
          },
        },
      );
      if (end !== undefined) return { written, look: await end };
      await this.#sync(handle);
      await close();
      return { written };
    } finally {
      await end?.catch(() => {});
      if (!isClosed) await this.#closeHandle(handle);
    }
  }

  async rename(from: string, to: string, options?: RenameOptions): Promise<void> {
    await this.#move(from, to, options);
  }

  async renameAndStat(from: string, to: string, options?: RenameOptions): Promise<RemoteFile | undefined> {
    const lookAt = async (): Promise<RemoteFile | undefined> => await this.stat(to).catch(() => undefined);
    let look: Promise<RemoteFile | undefined> | undefined;
    const onSent = (): void => {
      look = lookAt();
    };
    await this.#move(from, to, { ...options, onSent });
    // A server that does not keep the order of requests may have looked too early.
    return (await look) ?? (await lookAt());
  }

  async #move(from: string, to: string, { overwrite = false, onSent }: MoveOptions = {}): Promise<void> {
    if (overwrite) return await this.#replace(from, to, onSent);
    const exists = async (): Promise<boolean> => (await this.stat(to)) !== undefined;
    if (!this.#refusesExisting && (await exists())) throw existing();
    try {
      await this.#rename(from, to, onSent);
    } catch (error) {
      if (hasRemoteFault(error, 'refused') && (await exists())) throw existing();
      throw error;
    }
  }

  /** OpenSSH's rename makes a second link, and says no more than that it failed. Others overwrite what is there. */
  get #refusesExisting(): boolean {
    const { _remoteVer: software = '' } = this.#client as unknown as { readonly _remoteVer?: string };
    return /^OpenSSH_\d/.test(software);
  }

  async remove(path: string): Promise<void> {
    await this.#ask<void>('remove the file', (done) => this.#sftp.unlink(path, done));
  }

  async close(): Promise<void> {
    const closed = new RemoteError('lost', 'the connection was closed');
    if (this.#whole !== undefined) return this.#watch.end(closed);
    if (this.#watch.ended !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_MS);
    this.#client.once('close', () => resolve());
    this.#client.end();
    await promise;
    clearTimeout(timer);
    this.#watch.end(closed);
  }

  /** In one step where the server can; else the old file goes first, and a failure in between leaves `from`. */
  async #replace(from: string, to: string, onSent?: () => void): Promise<void> {
    if (!this.#lacking.has('posix-rename')) {
      const isDone = await this.#tryExtension('posix-rename', 'rename the file', (done) => {
        this.#sftp.ext_openssh_rename(from, to, done);
        onSent?.();
      });
      if (isDone) return;
    }
    if ((await this.stat(to)) !== undefined) await this.remove(to);
    await this.#rename(from, to, onSent);
  }

  async #rename(from: string, to: string, onSent?: () => void): Promise<void> {
    await this.#ask<void>('rename the file', (done) => {
      this.#sftp.rename(from, to, done);
      onSent?.();
    });
  }

  async #sync(handle: Buffer): Promise<void> {
    if (this.#lacking.has('fsync')) return;
    await this.#tryExtension('fsync', 'write the file', (done) => this.#sftp.ext_openssh_fsync(handle, done));
  }

  /** False: the server has no such extension. */
  async #tryExtension(
    name: 'posix-rename' | 'fsync',
    doing: string,
    start: (done: Callback<void>) => void,
  ): Promise<boolean> {
    try {
      await this.#ask<void>(doing, start);
      return true;
    } catch (error) {
      if (!(error instanceof RemoteError) || error.reply !== UNSUPPORTED) throw error;
      this.#lacking.add(name);
      return false;
    }
  }

  async #closeHandle(handle: Buffer): Promise<void> {
    if (!this.isUsable) return;
    await this.#ask<void>('close the file', (done) => this.#sftp.close(handle, done)).catch(() => {});
  }

  #ask<Result>(doing: string, start: (done: Callback<Result>) => void): Promise<Result> {
    return this.#watch.during<Result>(({ resolve, reject }) => {
      try {
        start((error, result) => {
          this.#watch.moved();
          if (error) reject(faultOf(doing, error));
          else resolve(result as Result);
        });
      } catch (error) {
        // ssh2 throws at once for an extension that the server did not offer.
        reject(faultOf(doing, Object.assign(error as Error, { code: UNSUPPORTED })));
      }
    });
  }
}

const UNSUPPORTED = 8;

function existing(): RemoteError {
  return new RemoteError('exists', 'a file of that name is there');
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof Error && 'code' in error && error.code === status;
}

function faultOf(doing: string, error: Error): RemoteError {
  const status = 'code' in error && typeof error.code === 'number' ? error.code : undefined;
  if (status === undefined) return new RemoteError('lost', `could not ${doing}: the connection ended`);
  return new RemoteError(FAULTS[status] ?? 'refused', `could not ${doing}`, { reply: status });
}

function kindOf({ mode }: Attributes): RemoteEntry['kind'] {
  const type = mode & FILE_TYPE;
  // Some servers give permissions alone.
  if (type === REGULAR || type === 0) return 'file';
  return type === DIRECTORY ? 'directory' : 'other';
}

/** In SFTP a time of 0 is none. */
function timeOf({ mtime }: Attributes): string | undefined {
  return mtime > 0 ? new Date(mtime * 1_000).toISOString().replace('.000Z', 'Z') : undefined;
}
