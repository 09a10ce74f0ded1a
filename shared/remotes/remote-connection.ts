/**
 * One connection to a server with files that is not ours, whatever it speaks.
 *
 * 1. One request at a time: a stream that is read or written has the connection until it ends. A stream that is left early may cost the
 *    connection; `isUsable` tells. Where the protocol can do more at a time, `share` gives one such connection to each use.
 * 2. Every request ends: when the server says so, when nothing comes for the remote's `timeouts.stall`, or when the connection closes.
 * 3. Paths are absolute, canonical (`canonicalRemotePath`) and below the remote's `paths`; others are `REMOTE_PLACE_REFUSED`.
 * 4. What `write` wrote and `rename` moved is known only once they resolve. After an error that `isOutcomeUnknown` ask with `stat`, over another
 *    connection.
 *
 * Every method throws `RemoteError`.
 */

export interface RemoteEntry {
  readonly name: string;
  /** `unread`: a line among others that cannot be read; `name` is the line. */
  readonly kind: 'file' | 'directory' | 'other' | 'unread';
  readonly sizeBytes: number | undefined;
  /** RFC 3339, UTC, to the second. Undefined where the listing does not tell it exactly: `stat` may. */
  readonly modifiedAt: string | undefined;
}

export interface RemoteFile {
  readonly sizeBytes: number;
  /** As of an entry; undefined where the server does not tell it. */
  readonly modifiedAt: string | undefined;
}

export interface WriteOptions {
  readonly offset?: number;
  readonly sizeBytes?: number;
}

export interface RenameOptions {
  readonly overwrite?: boolean;
}

export interface RemoteConnection {
  /** What proved who the server is: `SHA256:...` of its host key, or `sha256/...` of its certificate's key. Of the last socket, where there are many. */
  readonly fingerprint: string;
  /** So many bytes at the end of an upload that was cut off may be missing, whatever the file's size. */
  readonly unsureTailBytes: number;
  /** RFC 3339; where the server has a certificate. */
  readonly certificateEndsAt: string | undefined;
  /** False once it closed, or may no longer be used. */
  readonly isUsable: boolean;
  /** `directory` ends with `/`. Entries as they come, without `.` and `..`; names as the server gave them. */
  list(directory: string): AsyncIterable<RemoteEntry>;
  /** Undefined: no file has that name. */
  stat(path: string): Promise<RemoteFile | undefined>;
  /** From `offset` to the end that the file has while it is read. `sizeBytes`, as `stat` told it, spares a server needless requests. */
  read(path: string, offset?: number, sizeBytes?: number): AsyncIterable<Uint8Array>;
  /**
   * At 0 the file is made or emptied; further on it continues with a file that has exactly `offset` bytes. Resolves to the bytes written.
   * `sizeBytes`: of `body`, where it is known; some servers take nothing else.
   */
  write(path: string, body: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<number>;
  /** `write`, and then `stat`, at the price of one: absent where that saves nothing. */
  readonly writeAndStat?:
    | ((path: string, body: AsyncIterable<Uint8Array>, options?: WriteOptions) => Promise<RemoteFile | undefined>)
    | undefined;
  /** Without `overwrite` an existing `to` is `REMOTE_EXISTS`. FTP servers can only be asked before: between the question and the rename is a gap. */
  rename(from: string, to: string, options?: RenameOptions): Promise<void>;
  /** `rename`, and then `stat` of the new name, at the price of one: absent where that saves nothing. A look that fails is undefined: the file was moved. */
  readonly renameAndStat?:
    | ((from: string, to: string, options?: RenameOptions) => Promise<RemoteFile | undefined>)
    | undefined;
  /** A file that is not there is `REMOTE_PATH_GONE`. */
  remove(path: string): Promise<void>;
  /** The file's SHA-256, hexadecimal, as the server makes it. Absent where it offers none; undefined where it makes none of this file. */
  readonly hashOf?: ((path: string) => Promise<string | undefined>) | undefined;
  /** Idempotent; bounded by a second. */
  close(): Promise<void>;
  /**
   * The same connection for one more use at the same time; closing that ends what it asked for, and nothing of the others.
   * Absent where the protocol does one thing at a time.
   */
  readonly share?: (() => RemoteConnection) | undefined;
  /** Present where bytes can wait unseen under their final name until one request shows them: no temporary name is needed. */
  readonly staging?: RemoteStaging | undefined;
}

/** A file by its final name, and what it is staged for. */
export interface StagedFile {
  /** The same for every try of one upload, and of no other. */
  readonly key: string;
  readonly sizeBytes: number;
}

export interface RemoteStaging {
  /** Continues where an earlier try ended. `read`: the bytes from there on. Resolves once the server has all of them, unseen, and checked. */
  stage(path: string, file: StagedFile, read: (offset: number) => AsyncIterable<Uint8Array>): Promise<void>;
  /** Shows what was staged, whole. Without `overwrite` an existing file is `REMOTE_EXISTS`. */
  show(path: string, file: StagedFile, options?: { readonly overwrite?: boolean }): Promise<void>;
  /** What happened to `show`: `gone` where neither what was staged is there nor a file that was shown with this key. */
  find(path: string, file: StagedFile): Promise<'shown' | 'staged' | 'gone'>;
}

/** What the server showed of itself before anything was sent to it. */
export interface RemoteIdentity {
  readonly fingerprint: string;
  readonly isTrusted: boolean;
  readonly certificateEndsAt?: string | undefined;
}
