import { createHash, randomBytes } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { FileEntryWithStats, Stats } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  call,
  codeOf,
  PART_BYTES,
  startTestGateway,
  type TestConnection,
  type TestGateway,
} from '#testkit/beds/sftp-gateway-bed.ts';
import { LANDING, OUTBOUND } from '#testkit/servers/sftp-store.ts';

let test: TestGateway;
let connection: TestConnection;
let sftp: TestConnection['sftp'];
beforeAll(async () => {
  test = await startTestGateway();
  connection = await test.connect();
  sftp = connection.sftp;
});
afterAll(async () => {
  await connection.close();
  await test.stop();
});

const put = (path: string, content: Buffer | string): Promise<void> =>
  call((done) => sftp.writeFile(path, content, done));
const get = (path: string): Promise<Buffer> => call<Buffer>((done) => sftp.readFile(path, done));
const namesIn = async (path: string): Promise<string[]> => {
  const entries = await call<FileEntryWithStats[]>((done) => sftp.readdir(path, done));
  return entries.map(({ filename }) => filename);
};
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

describe('an uploaded file', () => {
  it.each([
    ['no bytes', 0],
    ['one byte', 1],
    ['one part less a byte', PART_BYTES - 1],
    ['exactly one part', PART_BYTES],
    ['one part and a byte', PART_BYTES + 1],
    ['several parts', 3 * PART_BYTES + 12_345],
  ])('of %s arrives whole, comes back whole, and is reported once', async (name, size) => {
    const content = randomBytes(size);
    const path = `/sizes/${name}.bin`;
    const eventsBefore = test.events().length;
    await put(path, content);
    expect(sha256(await get(path))).toBe(sha256(content));
    const stored = await test.content(`acme${path}`);
    expect(sha256(stored.body)).toBe(sha256(content));
    expect(await test.versions(`acme${path}`)).toHaveLength(1);
    const events = test.events().slice(eventsBefore);
    expect(events).toMatchObject([
      {
        'detail-type': 'SFTP Server File Upload Completed',
        detail: {
          'status-code': 'COMPLETED',
          bytes: size,
          'file-path': `/${LANDING}/acme${path}`,
          username: 'acme-user',
        },
      },
      {
        'detail-type': 'SFTP Server File Download Completed',
        detail: { 'status-code': 'COMPLETED', bytes: size, 'file-path': `/${LANDING}/acme${path}` },
      },
    ]);
    expect(await test.openUploadCount()).toBe(0);
  });

  it('that is not there is a failed download when it is opened for reading, and none when it is only asked about', async () => {
    const eventsBefore = test.events().length;
    await expect(call<Stats>((done) => sftp.stat('/nowhere.csv', done))).rejects.toThrow();
    expect(test.events().slice(eventsBefore)).toEqual([]);
    await expect(call<Buffer>((done) => sftp.open('/nowhere.csv', 'r', done))).rejects.toThrow('no such file');
    expect(test.events().slice(eventsBefore)).toMatchObject([
      {
        'detail-type': 'SFTP Server File Download Failed',
        detail: {
          'status-code': 'FAILED',
          'failure-code': 'FILE_NOT_FOUND',
          'file-path': `/${LANDING}/acme/nowhere.csv`,
        },
      },
    ]);
  });

  it('shows its size by its name while it is being sent', async () => {
    const handle = await call<Buffer>((done) => sftp.open('/growing.csv', 'w', done));
    await call((done) => sftp.write(handle, Buffer.from('abc'), 0, 3, 0, done));
    for (const path of ['/growing.csv', 'x/../growing.csv']) {
      expect((await call<Stats>((done) => sftp.stat(path, done))).size).toBe(3);
      expect((await call<Stats>((done) => sftp.lstat(path, done))).size).toBe(3);
    }
    await call((done) => sftp.close(handle, done));
    expect((await call<Stats>((done) => sftp.stat('/growing.csv', done))).size).toBe(3);
  });

  it('is there for the requests that a client sends without waiting for the reply to its open or close', async () => {
    const open = call<Buffer>((done) => sftp.open('/at-once/a.csv', 'ax', done));
    const seen = call<Stats>((done) => sftp.lstat('/x/../at-once/a.csv', done));
    const handle = await open;
    expect((await seen).size).toBe(0);
    const written = call((done) => sftp.write(handle, Buffer.from('abc'), 0, 3, 0, done));
    const closed = call((done) => sftp.close(handle, done));
    const stat = call<Stats>((done) => sftp.stat('/at-once/a.csv', done));
    const renamed = call((done) => sftp.rename('/at-once/a.csv', '/at-once/b.csv', done));
    const removed = call((done) => sftp.unlink('/at-once/b.csv', done));
    const reopened = call<Buffer>((done) => sftp.open('/at-once/b.csv', 'wx', done));
    await Promise.all([written, closed, renamed, removed]);
    expect((await stat).size).toBe(3);
    const again = await reopened;
    await call((done) => sftp.close(again, done));
    expect(await namesIn('/at-once')).toEqual(['b.csv']);
  });

  it('carries the metadata that AWS Transfer Family gives', async () => {
    await put('/metadata.csv', 'a');
    expect((await test.content('acme/metadata.csv')).metadata).toEqual({
      'user-agent': 'AWSTransfer',
      'user-agent-id': 'acme-user@s-0123456789abcdef0',
    });
    await put('/metadata-large.csv', randomBytes(PART_BYTES + 1));
    expect((await test.content('acme/metadata-large.csv')).metadata['user-agent']).toBe('AWSTransfer');
  });

  it('is reported by an event that has the fields of AWS Transfer Family, and no others', async () => {
    await put('/event.csv', 'abc');
    const event = test.events().at(-1)!;
    expect(Object.keys(event).sort()).toEqual(
      ['version', 'id', 'detail-type', 'source', 'account', 'time', 'region', 'resources', 'detail'].sort(),
    );
    expect(event.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(event.detail).toEqual({
      'status-code': 'COMPLETED',
      protocol: 'SFTP',
      bytes: 3,
      'client-ip': '127.0.0.1',
      'start-timestamp': expect.any(String),
      'end-timestamp': expect.any(String),
      etag: '900150983cd24fb0d6963f7d28e17f72',
      'file-path': `/${LANDING}/acme/event.csv`,
      'server-id': 's-0123456789abcdef0',
      username: 'acme-user',
      'session-id': expect.stringMatching(/^[0-9a-f]{24}$/),
    });
  });

  it('takes writes that overtake each other by more than a hundred', async () => {
    const content = randomBytes(200 * 32_768);
    const handle = await call<Buffer>((done) => sftp.open('/overtaking.bin', 'w', done));
    const offsets = Array.from({ length: 200 }, (_, index) => index * 32_768);
    const writes = [...offsets.slice(1), 0].map((offset) =>
      call((done) => sftp.write(handle, content.subarray(offset, offset + 32_768), 0, 32_768, offset, done)),
    );
    await Promise.all(writes);
    await call((done) => sftp.close(handle, done));
    expect(sha256((await test.content('acme/overtaking.bin')).body)).toBe(sha256(content));
  });

  it('is a new version when it is written again, and a reader keeps the one it opened', async () => {
    const first = randomBytes(2 * 1_024 * 1_024 + 5);
    await put('/twice.bin', first);
    const handle = await call<Buffer>((done) => sftp.open('/twice.bin', 'r', done));
    await put('/twice.bin', 'second');
    const read = (offset: number, length: number): Promise<Buffer> => {
      const buffer = Buffer.alloc(length);
      return call<number>((done) => sftp.read(handle, buffer, 0, length, offset, done as never)).then((count) =>
        buffer.subarray(0, count),
      );
    };
    expect(await read(0, 1_000)).toEqual(first.subarray(0, 1_000));
    expect(await read(2 * 1_024 * 1_024, 1_000)).toEqual(first.subarray(2 * 1_024 * 1_024));
    expect(await read(1_024 * 1_024 - 10, 20)).toEqual(first.subarray(1_024 * 1_024 - 10, 1_024 * 1_024 + 10));
    await call((done) => sftp.close(handle, done));
    expect(String(await get('/twice.bin'))).toBe('second');
    expect(await test.versions('acme/twice.bin')).toHaveLength(2);
  });

  it('is one file whichever Unicode form its name was sent in', async () => {
    await put('/unicode/Mu\u0308ller.csv', 'a');
    expect(await namesIn('/unicode')).toEqual(['M\u00fcller.csv']);
    expect(String(await get('/unicode/M\u00fcller.csv'))).toBe('a');
  });
});

describe('a directory', () => {
  it('is made as a marker, listed, and removed only when empty', async () => {
    await call((done) => sftp.mkdir('/box', done));
    expect((await test.content('acme/box/')).body).toHaveLength(0);
    expect(await codeOf(call((done) => sftp.mkdir('/box', done)))).toBe('NAME_TAKEN');
    const attributes = await call<Stats>((done) => sftp.stat('/box', done));
    expect(attributes.isDirectory()).toBe(true);
    await put('/box/a.csv', 'a');
    expect(await namesIn('/box')).toEqual(['a.csv']);
    expect(await codeOf(call((done) => sftp.rmdir('/box', done)))).toBe('NAME_TAKEN');
    await call((done) => sftp.unlink('/box/a.csv', done));
    await call((done) => sftp.rmdir('/box', done));
    expect(await codeOf(call((done) => sftp.stat('/box', done)))).toBe('FILE_NOT_FOUND');
  });

  it('of more entries than a page of the store is listed whole, each name once', async () => {
    const names = Array.from({ length: 1_105 }, (_, index) => `file-${String(index).padStart(4, '0')}.csv`);
    for (let start = 0; start < names.length; start += 50) {
      await Promise.all(
        names
          .slice(start, start + 50)
          .map((name) =>
            test.store.send(new PutObjectCommand({ Bucket: LANDING, Key: `acme/many/${name}`, Body: '' })),
          ),
      );
    }
    expect(await namesIn('/many')).toEqual(names);
  });

  it('does not show keys that no client could have sent', async () => {
    for (const key of ['acme/odd/a\nb.csv', 'acme/odd//c.csv', 'acme/odd/-x', 'acme/odd/ok.csv']) {
      await test.store.send(new PutObjectCommand({ Bucket: LANDING, Key: key, Body: '' }));
    }
    expect(await namesIn('/odd')).toEqual(['ok.csv']);
  });
});

describe('a rename', () => {
  it('moves exactly the version that was there, metadata included, and is reported', async () => {
    await put('/in/orders.csv.tmp', 'a,b');
    await call((done) => sftp.rename('/in/orders.csv.tmp', '/in/orders.csv', done));
    const { body, metadata } = await test.content('acme/in/orders.csv');
    expect(String(body)).toBe('a,b');
    expect(metadata['user-agent']).toBe('AWSTransfer');
    expect(await test.versions('acme/in/orders.csv.tmp')).toEqual([]);
    expect(test.events().at(-1)).toMatchObject({
      'detail-type': 'SFTP Server File Rename Completed',
      detail: {
        'status-code': 'COMPLETED',
        'original-file-path': `/${LANDING}/acme/in/orders.csv.tmp`,
        'renamed-file-path': `/${LANDING}/acme/in/orders.csv`,
      },
    });
  });

  it('replaces no file', async () => {
    await put('/in/new.csv', 'new');
    await put('/in/old.csv', 'old');
    expect(await codeOf(call((done) => sftp.rename('/in/new.csv', '/in/old.csv', done)))).toBe('NAME_TAKEN');
    expect(String(await get('/in/old.csv'))).toBe('old');
  });

  it('of a name with spaces, percent and plus signs keeps every byte of it', async () => {
    await put('/in/100% a+b & c.csv', 'x');
    await call((done) => sftp.rename('/in/100% a+b & c.csv', '/in/ü 50%.csv', done));
    expect(String((await test.content('acme/in/ü 50%.csv')).body)).toBe('x');
  });

  it('of a directory is refused', async () => {
    await put('/dir/a.csv', 'a');
    expect(await codeOf(call((done) => sftp.rename('/dir', '/dir2', done)))).toBe('NOT_SUPPORTED');
  });
});

describe('a removed file', () => {
  it('is gone from the tree while the version that a job may have taken stays', async () => {
    await put('/removed.csv', 'x');
    const [version] = await test.versions('acme/removed.csv');
    await call((done) => sftp.unlink('/removed.csv', done));
    expect(await codeOf(get('/removed.csv'))).toBe('FILE_NOT_FOUND');
    expect(String((await test.content('acme/removed.csv', version!.versionId)).body)).toBe('x');
  });
});

describe('/outbound', () => {
  it("shows the tenant's outbound files and lets them be read", async () => {
    await test.store.send(new PutObjectCommand({ Bucket: OUTBOUND, Key: 'acme/replies/1.csv', Body: 'reply' }));
    await test.store.send(new PutObjectCommand({ Bucket: OUTBOUND, Key: 'acmex/2.csv', Body: 'of another tenant' }));
    expect(await namesIn('/')).toContain('outbound');
    expect(await namesIn('/outbound')).toEqual(['replies']);
    expect(String(await get('/outbound/replies/1.csv'))).toBe('reply');
    const attributes = await call<Stats>((done) => sftp.stat('/outbound/replies/1.csv', done));
    expect(attributes.mode & 0o222).toBe(0);
  });

  it('cannot be changed', async () => {
    await put('/mine.csv', 'a');
    expect(await codeOf(put('/outbound/x.csv', 'a'))).toBe('DENIED');
    expect(await codeOf(put('/outbound', 'a'))).toBe('DENIED');
    expect(await codeOf(call((done) => sftp.unlink('/outbound/replies/1.csv', done)))).toBe('DENIED');
    expect(await codeOf(call((done) => sftp.mkdir('/outbound/new', done)))).toBe('DENIED');
    expect(await codeOf(call((done) => sftp.rmdir('/outbound', done)))).toBe('DENIED');
    expect(await codeOf(call((done) => sftp.rename('/mine.csv', '/outbound/mine.csv', done)))).toBe('DENIED');
    expect(await codeOf(call((done) => sftp.rename('/outbound/replies/1.csv', '/1.csv', done)))).toBe('DENIED');
    expect(await codeOf(call((done) => sftp.setstat('/outbound/replies/1.csv', { mtime: 1 } as never, done)))).toBe(
      'DENIED',
    );
  });
});

describe('attributes', () => {
  it('can be set without effect, but a file cannot be truncated', async () => {
    await put('/attributes.csv', 'abc');
    await call((done) => sftp.utimes('/attributes.csv', 1, 1, done));
    await call((done) => sftp.chmod('/attributes.csv', 0o600, done));
    expect(await codeOf(call((done) => sftp.setstat('/attributes.csv', { size: 0 } as never, done)))).toBe(
      'NOT_SUPPORTED',
    );
    expect((await call<Stats>((done) => sftp.stat('/attributes.csv', done))).size).toBe(3);
  });
});
