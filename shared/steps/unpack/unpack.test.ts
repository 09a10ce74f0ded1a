/** `unpack`: what happens to good archives, and that one at fault brings no file. */
import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ZipFile } from 'yazl';
import type { Product } from '#shared/jobs/register-products.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { unpackOptions } from './options.ts';
import { unpackStep } from './run.ts';

const MIB = 1024 ** 2;

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

type Entries = Readonly<Record<string, string | Uint8Array>>;

async function zipOf(entries: Entries, more: (zip: ZipFile) => void = () => {}): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(entries)) zip.addBuffer(Buffer.from(content), name);
  more(zip);
  zip.end();
  return await buffer(zip.outputStream);
}

async function tarOf(entries: Entries, more: (tar: ReturnType<typeof pack>) => void = () => {}): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(entries)) tar.entry({ name }, Buffer.from(content));
  more(tar);
  tar.finalize();
  return await buffer(tar);
}

async function unpack(archive: Uint8Array, options: object = {}, request: object = {}, name = 'day.zip') {
  const registered: Product[] = [];
  const object = await bench.land(`inbound/${name}`, archive);
  const products = { register: async (all: readonly Product[]) => void registered.push(...all) };
  const outcome = await runStep(bench, {
    ...{ step: unpackStep, kind: unpackOptions, object, options, products },
    ...request,
  });
  return { outcome, registered };
}

/** Key below the tenant and content of each product. */
async function contentsOf(registered: readonly Product[]) {
  const read = registered.map(async ({ key, archive }) => [key, (await bench.read(archive)).toString()]);
  return Object.fromEntries(await Promise.all(read));
}

const big = 'x'.repeat(600_000);
const entries = { 'a.csv': 'a,b\n1,2\n', 'sub/Größe.txt': 'µ', 'big.txt': big, 'empty.txt': '' };
const expected = {
  'acme/inbound/day/a.csv': 'a,b\n1,2\n',
  'acme/inbound/day/sub/Größe.txt': 'µ',
  'acme/inbound/day/big.txt': big,
  'acme/inbound/day/empty.txt': '',
};

test.each([
  ['zip', () => zipOf(entries, (zip) => zip.addEmptyDirectory('nothing/'))],
  ['tar', () => tarOf(entries, (tar) => tar.entry({ name: 'nothing/', type: 'directory' }))],
  ['tgz', async () => gzipSync(await tarOf(entries))],
])('each file in a %s becomes a file, the same on every try', async (format, make) => {
  const archive = await make();
  const first = await unpack(archive);
  expect(first.outcome).toMatchObject({ type: 'succeeded', output: { entries: 4, bytes: big.length + 10 } });
  expect(await contentsOf(first.registered)).toEqual(expected);
  const second = await unpack(archive, { format }, { isFirstTry: false });
  const identity = ({ id, key, archive: place }: Product) => ({ id, key, place: place.key });
  expect(second.registered.map(identity)).toEqual(first.registered.map(identity));
  // Another version would belong to no file.
  const versionOf = ({ archive: place }: Product) => place.versionId;
  expect(second.registered.map(versionOf)).toEqual(first.registered.map(versionOf));
  const other = await unpack(archive, {}, { jobId: 'job-2' });
  expect(other.registered[0]?.id).not.toBe(first.registered[0]?.id);
});

test('a file in gzip becomes that file, and a tar in gzip its entries, whatever their names', async () => {
  const single = await unpack(gzipSync('a,b\n1,2\n'), {}, {}, 'day.csv.gz');
  expect(single.outcome).toMatchObject({ type: 'succeeded', output: { entries: 1, bytes: 8 } });
  expect(await contentsOf(single.registered)).toEqual({ 'acme/inbound/day.csv/day.csv': 'a,b\n1,2\n' });
  const again = await unpack(gzipSync('a,b\n1,2\n'), {}, { isFirstTry: false }, 'day.csv.gz');
  expect(again.registered).toEqual(single.registered);
  const empty = await unpack(gzipSync(''), {}, {}, 'none.gz');
  expect(await contentsOf(empty.registered)).toEqual({ 'acme/inbound/none/none': '' });
  const tar = await unpack(gzipSync(await tarOf({ 'a.csv': '1' })), {}, {}, 'day.gz');
  expect(await contentsOf(tar.registered)).toEqual({ 'acme/inbound/day/a.csv': '1' });
});

test('`only` takes some of the entries, and `into` says where they appear', async () => {
  const { registered } = await unpack(await zipOf(entries), { only: ['**/*.csv'], into: 'unpacked/{{ stem }}' });
  expect(registered.map(({ key }) => key)).toEqual(['acme/unpacked/day/a.csv']);
});

/** Of the same length, so that every offset stays. */
const renamed = (archive: Buffer, from: string, to: string) =>
  Buffer.from(archive.toString('latin1').replaceAll(from, to), 'latin1');

async function overlapping(): Promise<Buffer> {
  const archive = await zipOf({ 'a.txt': 'one and the same', 'b.txt': 'one and the same' });
  // The second entry of the directory points to the first one's content.
  const second = archive.lastIndexOf('PK\x01\x02', undefined, 'latin1');
  archive.writeUInt32LE(0, second + 42);
  return archive;
}

async function withFlag(): Promise<Buffer> {
  const archive = await zipOf({ 'a.txt': 'secret' });
  archive.writeUInt16LE(
    archive.readUInt16LE(archive.indexOf('PK\x01\x02', 0, 'latin1') + 8) | 1,
    archive.indexOf('PK\x01\x02', 0, 'latin1') + 8,
  );
  return archive;
}

async function damaged(): Promise<Buffer> {
  const zip = new ZipFile();
  zip.addBuffer(Buffer.from('stored as it is'), 'a.txt', { compress: false });
  zip.end();
  return renamed(await buffer(zip.outputStream), 'stored', 'storxd');
}

async function understated(): Promise<Buffer> {
  const archive = await zipOf({ zeros: new Uint8Array(24 * MIB) });
  archive.writeUInt32LE(10, archive.indexOf('PK\x01\x02', 0, 'latin1') + 24);
  return archive;
}

/** Sizes of its entry as zip64 gives them, set to `bytes`. */
async function zip64Saying(bytes: bigint): Promise<Buffer> {
  const archive = await zipOf({}, (zip) => zip.addBuffer(Buffer.from('x'), 'a.txt', { forceZip64Format: true }));
  const entry = archive.indexOf('PK\x01\x02', 0, 'latin1');
  const extra = archive.indexOf(Buffer.from([1, 0]), entry + 46 + 'a.txt'.length);
  archive.writeBigUInt64LE(bytes, extra + 4);
  return archive;
}

async function withMethod(method: number): Promise<Buffer> {
  const archive = await zipOf({ 'a.txt': 'x' });
  archive.writeUInt16LE(method, 8);
  archive.writeUInt16LE(method, archive.indexOf('PK\x01\x02', 0, 'latin1') + 10);
  return archive;
}

async function countingTo(entryCount: number): Promise<Buffer> {
  const archive = await zipOf({ 'a.txt': 'x' });
  const end = archive.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  archive.writeUInt16LE(entryCount, end + 8);
  archive.writeUInt16LE(entryCount, end + 10);
  return archive;
}

/** Attributes for all entries, or, in front of each, for one. */
async function tarWithAttributes(size: number, kind: 'g' | 'x', count: number): Promise<Buffer> {
  const attributes = Buffer.alloc(size, '14 attri=bute\n').subarray(0, size - (size % 14));
  const archive = await tarOf({}, (tar) => {
    for (let at = 0; at < count; at += 1) tar.entry({ name: 'attributes' }, attributes);
    tar.entry({ name: 'a.txt' }, 'x');
  });
  const each = 512 + Math.ceil(attributes.length / 512) * 512;
  for (let at = 0; at < count; at += 1) sign(archive.subarray(at * each), (header) => header.write(kind, 156));
  return archive;
}

function sign(header: Buffer, change: (header: Buffer) => void): void {
  change(header);
  header.write('        ', 148);
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
}

/** As GNU tar writes it: the content begins with a map of the holes. */
async function sparseTar(): Promise<Buffer> {
  const pax = {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': 'a.txt',
    'GNU.sparse.realsize': '9',
  };
  return await tarOf({}, (tar) => tar.entry({ name: 'GNUSparseFile.0/a.txt', pax }, `1\n0\n1\n${'\0'.repeat(506)}x`));
}

/** Its entry's size as a base-256 number. */
async function tarSaying(size: readonly number[]): Promise<Buffer> {
  const archive = await tarOf({ 'a.txt': 'x' });
  sign(archive, (header) => Buffer.from(size).copy(header, 124));
  return archive;
}

const faults: [string, () => Promise<Uint8Array>, string][] = [
  [
    'an entry that leaves the archive',
    async () => renamed(await zipOf({ 'aa/bb/c.txt': 'x' }), 'aa/bb/', '../../'),
    'ARCHIVE_SLIP',
  ],
  ['an absolute entry', async () => renamed(await zipOf({ 'aa/c.txt': 'x' }), 'aa/c.txt', '/etc/pwd'), 'ARCHIVE_SLIP'],
  [
    'a backslash that leaves it',
    async () => renamed(await zipOf({ 'aa/c.txt': 'x' }), 'aa/c.txt', '..\\c.txt'),
    'ARCHIVE_SLIP',
  ],
  ['a tar entry that leaves it', () => tarOf({ '../c.txt': 'x' }), 'ARCHIVE_SLIP'],
  [
    'a link in a zip',
    () => zipOf({}, (zip) => zip.addBuffer(Buffer.from('/etc/passwd'), 'l', { mode: 0o120777 })),
    'ARCHIVE_LINK',
  ],
  [
    'a link in a tar',
    () => tarOf({}, (tar) => tar.entry({ name: 'l', type: 'symlink', linkname: '/etc/passwd' })),
    'ARCHIVE_LINK',
  ],
  ['a password', withFlag, 'ARCHIVE_ENCRYPTED'],
  ['two entries that share bytes', overlapping, 'ARCHIVE_OVERLAP'],
  [
    'two entries of one name',
    async () => renamed(await zipOf({ 'a.txt': 'x', 'b.txt': 'y' }), 'b.txt', 'a.txt'),
    'ARCHIVE_DUPLICATE',
  ],
  ['an entry that is an option', () => zipOf({ '-rf': 'x' }), 'ARCHIVE_SLIP'],
  ['a directory that is an option', () => tarOf({ 'a/-rf/b': 'x' }), 'ARCHIVE_SLIP'],
  ['a directory that says less than there is', understated, 'ARCHIVE_CORRUPT'],
  ['gzip that is cut off', async () => gzipSync(randomBytes(100_000)).subarray(0, 90_000), 'ARCHIVE_CORRUPT'],
  ['a file in gzip that is a bomb', async () => gzipSync(new Uint8Array(24 * MIB)), 'ARCHIVE_BOMB'],
  ['a wrong checksum', damaged, 'ARCHIVE_CORRUPT'],
  ['a zip that is cut off', async () => (await zipOf(entries)).subarray(0, -10), 'ARCHIVE_CORRUPT'],
  [
    'a tar that is cut off between entries',
    async () => (await tarOf({ 'a.txt': 'x' })).subarray(0, 1_024),
    'ARCHIVE_CORRUPT',
  ],
  [
    'a tar that is cut off in an entry',
    async () => (await tarOf({ 'a.txt': big })).subarray(0, 100_000),
    'ARCHIVE_CORRUPT',
  ],
  ['what is no archive', async () => Buffer.from('a,b\n1,2\n'), 'ARCHIVE_UNSUPPORTED'],
  ['nothing', async () => Buffer.alloc(0), 'ARCHIVE_CORRUPT'],
  ['a bomb by its ratio', async () => zipOf({ zeros: new Uint8Array(24 * MIB) }), 'ARCHIVE_BOMB'],
  ['a size in zip64 of an exabyte', () => zip64Saying(1n << 60n), 'ARCHIVE_BOMB'],
  ['a size in zip64 that no number holds', () => zip64Saying((1n << 64n) - 1n), 'ARCHIVE_BOMB'],
  ['a size in zip64 that is none of its bytes', () => zip64Saying(7n), 'ARCHIVE_CORRUPT'],
  ['a method that is not deflate', () => withMethod(14), 'ARCHIVE_UNSUPPORTED'],
  ['more entries by its end than there are', () => countingTo(65_534), 'ARCHIVE_CORRUPT'],
  ['fewer entries by its end than there are', async () => countingTo(0), 'ARCHIVE_CORRUPT'],
  ['a NUL in a name', async () => renamed(await zipOf({ 'aa/c.txt': 'x' }), 'aa/c.txt', 'aa\0c.txt'), 'ARCHIVE_SLIP'],
  [
    'a hard link in a tar',
    () => tarOf({}, (tar) => tar.entry({ name: 'l', type: 'link', linkname: 'a' })),
    'ARCHIVE_LINK',
  ],
  ['a device in a tar', () => tarOf({}, (tar) => tar.entry({ name: 'd', type: 'character-device' })), 'ARCHIVE_LINK'],
  [
    'a path of pax that leaves it',
    () => tarOf({}, (tar) => tar.entry({ name: 'a', pax: { path: '../../c.txt' } }, 'x')),
    'ARCHIVE_SLIP',
  ],
  ['a tar entry of less than nothing', () => tarSaying(Array(12).fill(0xff)), 'ARCHIVE_CORRUPT'],
  ['a tar entry of an exabyte', () => tarSaying([0x80, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0]), 'ARCHIVE_BOMB'],
  ['attributes of all entries without end', () => tarWithAttributes(3 * MIB, 'g', 1), 'ARCHIVE_BOMB'],
  ['attributes of an entry without end', () => tarWithAttributes(3 * MIB, 'x', 1), 'ARCHIVE_BOMB'],
  ['more headers than entries can have', () => tarWithAttributes(14, 'g', 40_001), 'ARCHIVE_BOMB'],
  ['a sparse file of GNU tar', sparseTar, 'ARCHIVE_UNSUPPORTED'],
  [
    'an entry of a kind that nobody knows',
    async () => {
      const archive = await tarOf({ 'a.txt': 'x' });
      sign(archive, (header) => header.write('S', 156));
      return archive;
    },
    'ARCHIVE_UNSUPPORTED',
  ],
  [
    'a directory of megabytes',
    () =>
      zipOf({}, (zip) => {
        for (let at = 0; at < 300; at += 1)
          zip.addBuffer(Buffer.from('x'), `${at}`, { fileComment: 'c'.repeat(65_535) } as object);
      }),
    'ARCHIVE_BOMB',
  ],
  ['a bomb in gzip', async () => gzipSync(await tarOf({ zeros: new Uint8Array(24 * MIB) })), 'ARCHIVE_BOMB'],
];

test.each(faults)('of an archive with %s nothing is taken', async (_what, make, cause) => {
  const { outcome, registered } = await unpack(await make());
  expect(outcome).toMatchObject({ type: 'failed', code: 'UNPACK_ERROR', cause });
  expect(registered).toEqual([]);
  expect(await bench.openUploads()).toBe(0);
});

test('the bounds of the route count for entries, bytes and depth', async () => {
  const archive = await zipOf({ a: 'one', b: 'two' });
  const bomb = { type: 'failed', cause: 'ARCHIVE_BOMB' };
  expect((await unpack(archive, { maxEntries: 1 })).outcome).toMatchObject(bomb);
  expect((await unpack(archive, { maxBytes: 5 })).outcome).toMatchObject(bomb);
  expect((await unpack(archive, { maxBytes: 6 })).outcome).toMatchObject({ type: 'succeeded' });
  expect((await unpack(archive, {}, { depth: 3 })).outcome).toMatchObject({
    type: 'failed',
    cause: 'ARCHIVE_TOO_DEEP',
  });
});

test('a store that fails in the middle is tried again, and is not a fault of the archive', async () => {
  const archive = await zipOf({ 'a.bin': big });
  const object = await bench.land('inbound/day.zip', archive);
  const store = { ...bench.store, readRange: bench.store.readRange.bind(bench.store) };
  const gone = { ...object, versionId: '00000000-0000-0000-0000-000000000000' };
  const outcome = await runStep(
    { ...bench, store },
    { step: unpackStep, kind: unpackOptions, object: gone, options: { format: 'zip' } },
  );
  expect(outcome).not.toMatchObject({ cause: 'ARCHIVE_CORRUPT' });
});
