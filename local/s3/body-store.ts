/**
 * Bodies of objects and parts. Small ones are rows, large ones files; what is put together or cut out of others is a list of
 * segments, so that copies and completed uploads move no bytes.
 *
 * 1. A body is immutable and visible only through a committed row: a file without a row is the leftover of a killed process
 *    and goes at the next start.
 * 2. A body lives while something refers to it (`refs`) or someone reads it (a pin). Composed bodies refer to what they are made of.
 * 3. A file's name is its number: nothing of a client's key ever reaches the file system.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Checksum } from '#local/s3/checksum.ts';
import { StagedBody } from '#local/s3/staged-body.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface OpenBody {
  readonly sizeBytes: number;
  /** Bytes from `start` up to, not including, `end`. A body of one row comes as one chunk. */
  read(start: number, end: number): AsyncGenerator<Buffer>;
  /** The whole body where it is a row; `undefined` where it must be streamed. */
  readWhole(): Buffer | undefined;
  close(): void;
}

interface Segment {
  /** The number of a body that is a row or a file. */
  readonly leaf: number;
  readonly offset: number;
  readonly length: number;
}

interface BodyStoreOptions {
  readonly database: DatabaseSync;
  readonly directory: string;
  readonly nextNumber: () => number;
  readonly logger: Logger;
  readonly syncToDisk: boolean;
}

const READ_CHUNK_BYTES = 256 * 1024;

export class BodyStore {
  readonly #options: BodyStoreOptions;
  readonly #directory: string;
  readonly #pins = new Map<number, number>();
  readonly #statements: ReturnType<typeof prepareStatements>;
  #unlinkAfterCommit: number[] = [];

  constructor(options: BodyStoreOptions) {
    this.#options = options;
    this.#directory = join(options.directory, 'bodies');
    for (let folder = 0; folder < 256; folder++)
      mkdirSync(join(this.#directory, folder.toString(16).padStart(2, '0')), { recursive: true, mode: 0o700 });
    this.#statements = prepareStatements(options.database);
  }

  /** A new body that is being received; `insert` or its own `discard` ends it. */
  stage(): StagedBody {
    const id = this.#options.nextNumber();
    return new StagedBody({ id, path: this.#pathOf(id), syncToDisk: this.#options.syncToDisk });
  }

  /** In the caller's transaction, as are the following: one reference, the caller's. */
  insert(staged: StagedBody): number {
    this.#statements.insert.run(staged.id, staged.sizeBytes, null, null);
    if (staged.inline !== undefined) this.#statements.insertData.run(staged.id, staged.inline);
    return staged.id;
  }

  /** One body of several, in order; the callers' references to them become its own. */
  compose(bodies: readonly number[]): number {
    const segments = bodies.flatMap((body) => this.#segmentsOf(body));
    return this.#insertComposed(segments, bodies);
  }

  /** A body that is a range of another. */
  slice(body: number, start: number, end: number): number {
    this.retain(body);
    return this.#insertComposed(cut(this.#segmentsOf(body), start, end), [body]);
  }

  /** The body whose bytes these are, one after the other, all of them: then its checksum is theirs. */
  wholeOf(bodies: readonly number[]): number | undefined {
    const parents = new Set(bodies.map((body) => this.#parentOf(body)));
    const [parent] = parents;
    if (parents.size !== 1 || parent === undefined) return undefined;
    const [all, wanted] = [bodies.flatMap((body) => this.#segmentsOf(body)), this.#segmentsOf(parent)].map(
      joinSegments,
    );
    return JSON.stringify(all) === JSON.stringify(wanted) ? parent : undefined;
  }

  /** Of a body's bytes as a whole, for as long as the body lives. */
  noteChecksum(body: number, checksum: Checksum): void {
    this.#statements.noteChecksum.run(body, JSON.stringify(checksum));
  }

  findChecksum(body: number): Checksum | undefined {
    const row = this.#statements.findChecksum.get(body);
    return row === undefined ? undefined : JSON.parse(String(row.checksum));
  }

  retain(body: number): void {
    this.#statements.retain.run(body);
  }

  release(body: number): void {
    this.#statements.release.run(body);
    this.#destroyIfUnused(body);
  }

  /** Pins the body: released meanwhile, it goes when closed. */
  open(body: number): OpenBody {
    const row = this.#statements.find.get(body);
    if (row === undefined) throw new Error(`body ${body} is gone although a version refers to it`);
    this.#pins.set(body, (this.#pins.get(body) ?? 0) + 1);
    let isOpen = true;
    return {
      sizeBytes: Number(row.size),
      read: (start, end) => this.#readSegments(cut(this.#segmentsOf(body), start, end)),
      readWhole: () => (row.segments === null ? this.#dataOf(body) : undefined),
      close: () => {
        if (isOpen) this.#unpin(body);
        isOpen = false;
      },
    };
  }

  /** Removes the files of what the committed transaction destroyed. */
  afterCommit(): void {
    if (this.#unlinkAfterCommit.length === 0) return;
    const bodies = this.#unlinkAfterCommit;
    this.#unlinkAfterCommit = [];
    for (const body of bodies)
      rm(this.#pathOf(body), { force: true }).catch((error: unknown) =>
        this.#options.logger.warn({ err: error, body }, 'body file was not removed; the next start will'),
      );
  }

  afterRollback(): void {
    this.#unlinkAfterCommit = [];
  }

  /** Removes what a killed process left (invariant 1), before the first request. */
  async recover(): Promise<void> {
    for (const row of this.#statements.findUnused.all()) this.#destroyIfUnused(Number(row.id));
    this.afterCommit();
    for (const folder of await readdir(this.#directory))
      for (const name of await readdir(join(this.#directory, folder)))
        if (this.#statements.find.get(Number.parseInt(name, 16)) === undefined)
          rmSync(join(this.#directory, folder, name), { force: true });
  }

  #insertComposed(segments: readonly Segment[], parts: readonly number[]): number {
    const id = this.#options.nextNumber();
    const size = segments.reduce((sum, segment) => sum + segment.length, 0);
    const flat = segments.map(({ leaf, offset, length }) => [leaf, offset, length]);
    this.#statements.insert.run(id, size, JSON.stringify(flat), JSON.stringify(parts));
    return id;
  }

  #segmentsOf(body: number): Segment[] {
    const row = this.#statements.find.get(body);
    if (row === undefined) throw new Error(`body ${body} is not there`);
    if (row.segments === null) return [{ leaf: body, offset: 0, length: Number(row.size) }];
    const flat: [number, number, number][] = JSON.parse(String(row.segments));
    return flat.map(([leaf, offset, length]) => ({ leaf, offset, length }));
  }

  #destroyIfUnused(body: number): void {
    if (this.#pins.has(body)) return;
    const row = this.#statements.removeUnused.get(body);
    if (row === undefined) return;
    this.#statements.removeChecksum.run(body);
    if (row.parts !== null) for (const part of JSON.parse(String(row.parts)) as number[]) this.release(part);
    else if (this.#statements.removeData.run(body).changes === 0) this.#unlinkAfterCommit.push(body);
  }

  /** Of a slice, or of what was made of one body. */
  #parentOf(body: number): number | undefined {
    const parts = this.#statements.findParts.get(body)?.parts;
    const parents: number[] = typeof parts === 'string' ? JSON.parse(parts) : [];
    return parents.length === 1 ? parents[0] : undefined;
  }

  #unpin(body: number): void {
    const pins = (this.#pins.get(body) ?? 1) - 1;
    if (pins > 0) {
      this.#pins.set(body, pins);
      return;
    }
    this.#pins.delete(body);
    // Runs outside any request's transaction; each statement commits on its own, and what a kill leaves goes at the next start.
    if (this.#statements.isUnused.get(body) === undefined) return;
    this.#destroyIfUnused(body);
    this.afterCommit();
  }

  async *#readSegments(segments: readonly Segment[]): AsyncGenerator<Buffer> {
    for (const { leaf, offset, length } of segments) {
      const data = this.#dataOf(leaf);
      if (data !== undefined) yield data.subarray(offset, offset + length);
      else yield* readFileRange(this.#pathOf(leaf), offset, length);
    }
  }

  #dataOf(leaf: number): Buffer | undefined {
    const row = this.#statements.findData.get(leaf);
    if (row === undefined) return undefined;
    const data = row.data;
    if (!(data instanceof Uint8Array)) return Buffer.alloc(0);
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  #pathOf(body: number): string {
    const name = body.toString(16).padStart(14, '0');
    return join(this.#directory, name.slice(-2), name);
  }
}

async function* readFileRange(path: string, offset: number, length: number): AsyncGenerator<Buffer> {
  const file: FileHandle = await open(path, 'r');
  try {
    let position = offset;
    const end = offset + length;
    while (position < end) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_CHUNK_BYTES, end - position));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) throw new Error(`body file ${path} is shorter than its row says`);
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function cut(segments: readonly Segment[], start: number, end: number): Segment[] {
  const pieces: Segment[] = [];
  let position = 0;
  for (const { leaf, offset, length } of segments) {
    const from = Math.max(start - position, 0);
    const to = Math.min(end - position, length);
    if (from < to) pieces.push({ leaf, offset: offset + from, length: to - from });
    position += length;
  }
  return pieces;
}

/** What adjoins in one file is one segment. */
function joinSegments(segments: readonly Segment[]): Segment[] {
  const joined: Segment[] = [];
  for (const segment of segments) {
    const last = joined.at(-1);
    if (last !== undefined && last.leaf === segment.leaf && last.offset + last.length === segment.offset)
      joined[joined.length - 1] = { ...last, length: last.length + segment.length };
    else joined.push(segment);
  }
  return joined;
}

function prepareStatements(database: DatabaseSync) {
  database.exec(`
    CREATE TABLE IF NOT EXISTS bodies (
      id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, size INTEGER NOT NULL, segments TEXT, parts TEXT
    );
    CREATE INDEX IF NOT EXISTS unused_bodies ON bodies (id) WHERE refs = 0;
    CREATE TABLE IF NOT EXISTS body_data (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS body_checksums (id INTEGER PRIMARY KEY, checksum TEXT NOT NULL);
  `);
  return {
    insert: database.prepare('INSERT INTO bodies (id, refs, size, segments, parts) VALUES (?, 1, ?, ?, ?)'),
    insertData: database.prepare('INSERT INTO body_data (id, data) VALUES (?, ?)'),
    find: database.prepare('SELECT size, segments FROM bodies WHERE id = ?'),
    findData: database.prepare('SELECT data FROM body_data WHERE id = ?'),
    findParts: database.prepare('SELECT parts FROM bodies WHERE id = ?'),
    noteChecksum: database.prepare('INSERT OR IGNORE INTO body_checksums VALUES (?, ?)'),
    findChecksum: database.prepare('SELECT checksum FROM body_checksums WHERE id = ?'),
    removeChecksum: database.prepare('DELETE FROM body_checksums WHERE id = ?'),
    findUnused: database.prepare('SELECT id FROM bodies WHERE refs = 0'),
    isUnused: database.prepare('SELECT 1 FROM bodies WHERE id = ? AND refs = 0'),
    retain: database.prepare('UPDATE bodies SET refs = refs + 1 WHERE id = ?'),
    release: database.prepare('UPDATE bodies SET refs = refs - 1 WHERE id = ?'),
    removeUnused: database.prepare('DELETE FROM bodies WHERE id = ? AND refs = 0 RETURNING parts'),
    removeData: database.prepare('DELETE FROM body_data WHERE id = ?'),
  };
}
