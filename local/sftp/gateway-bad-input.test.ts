import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { ClientChannel } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  call,
  codeOf,
  PART_BYTES,
  startTestGateway,
  type TestConnection,
  type TestGateway,
} from '#testkit/beds/sftp-gateway-bed.ts';
import { LANDING } from '#testkit/servers/sftp-store.ts';

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

const open = (path: string, flags: string): Promise<Buffer> =>
  call<Buffer>((done) => sftp.open(path, flags as 'w', done));
const writeAt = (handle: Buffer, data: Buffer, offset: number): Promise<void> =>
  call((done) => sftp.write(handle, data, 0, data.length, offset, done));
const close = (handle: Buffer): Promise<void> => call((done) => sftp.close(handle, done));

describe('a bad name', () => {
  const names = [
    '/../acmex/a.csv',
    '/%2e%2e/a.csv',
    '/a\\b',
    '/a\0b',
    '/a\r\nb',
    '/a\u202eb',
    '/-rf',
    `/${'x'.repeat(256)}`,
  ];

  it.each(names)('%j is refused by every request that takes a path', async (name) => {
    const requests: Promise<unknown>[] = [
      open(name, 'w'),
      open(name, 'r'),
      call((done) => sftp.stat(name, done)),
      call((done) => sftp.lstat(name, done)),
      call((done) => sftp.readdir(name, done)),
      call((done) => sftp.mkdir(name, done)),
      call((done) => sftp.rmdir(name, done)),
      call((done) => sftp.unlink(name, done)),
      call((done) => sftp.realpath(name, done)),
      call((done) => sftp.setstat(name, { mtime: 1 } as never, done)),
      call((done) => sftp.rename('/x', name, done)),
      call((done) => sftp.rename(name, '/x', done)),
    ];
    expect(new Set(await Promise.all(requests.map(codeOf)))).toEqual(new Set(['NAME_REJECTED']));
  });

  it('of 255 bytes is taken', async () => {
    const name = `/${'y'.repeat(255)}`;
    await close(await open(name, 'w'));
    expect(await test.versions(`acme${name}`)).toHaveLength(1);
  });

  it('is refused when the key would be longer than 1,024 bytes', async () => {
    const deep = `/${'d'.repeat(250)}`.repeat(4);
    expect(await codeOf(open(`${deep}/${'x'.repeat(14)}`, 'w'))).toBe('ok');
    expect(await codeOf(open(`${deep}/${'x'.repeat(16)}`, 'w'))).toBe('NAME_REJECTED');
  });

  it('leaves nothing in the store and forges no line in the log', async () => {
    const keys = (await test.versions()).map(({ key }) => key);
    expect(keys.filter((key) => !key.startsWith('acme/y') && !key.startsWith('acme/d'))).toEqual([]);
    for (const line of test.logLines) expect(() => JSON.parse(line)).not.toThrow();
    expect(test.logLines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
  });
});

describe('a request that an object store cannot serve', () => {
  it('is denied for links', async () => {
    expect(await codeOf(call((done) => sftp.symlink('/a', '/b', done)))).toBe('DENIED');
    expect(await codeOf(call((done) => sftp.readlink('/a', done)))).toBe('DENIED');
  });

  it('is refused as PARTIAL_UPLOAD for a sparse file, which is reported as failed', async () => {
    const handle = await open('/sparse.bin', 'w');
    await writeAt(handle, Buffer.from('abc'), 0);
    await writeAt(handle, Buffer.from('xyz'), 1_000);
    expect(await codeOf(close(handle))).toBe('PARTIAL_UPLOAD');
    expect(test.events().at(-1)).toMatchObject({
      'detail-type': 'SFTP Server File Upload Failed',
      detail: {
        'failure-code': 'PARTIAL_UPLOAD',
        'status-code': 'FAILED',
        'file-path': `/${LANDING}/acme/sparse.bin`,
        bytes: 3,
        etag: '900150983cd24fb0d6963f7d28e17f72',
      },
    });
    expect(String((await test.content('acme/sparse.bin')).body)).toBe('abc');
  });

  it('is refused as PARTIAL_UPLOAD for writes that go back', async () => {
    const handle = await open('/back.bin', 'w');
    await writeAt(handle, Buffer.from('abc'), 0);
    expect(await codeOf(writeAt(handle, Buffer.from('x'), 0))).toBe('PARTIAL_UPLOAD');
    expect(await codeOf(close(handle))).toBe('PARTIAL_UPLOAD');
  });

  it('is refused as PARTIAL_UPLOAD for a file that is shorter than announced', async () => {
    const handle = await open('/announced.bin', 'w');
    await call((done) => sftp.fsetstat(handle, { size: 10 } as never, done));
    await writeAt(handle, Buffer.from('abc'), 0);
    expect(await codeOf(close(handle))).toBe('PARTIAL_UPLOAD');
  });

  it('is refused as PARTIAL_UPLOAD for a resumed or appended upload', async () => {
    await close(await open('/resume.bin', 'w'));
    const handle = await open('/resume.bin', 'w');
    await writeAt(handle, Buffer.from('abc'), 0);
    await close(handle);
    expect(await codeOf(open('/resume.bin', 'a'))).toBe('PARTIAL_UPLOAD');
    expect(await codeOf(open('/resume.bin', 'r+'))).toBe('PARTIAL_UPLOAD');
    expect(await codeOf(open('/resume.bin', 'wx'))).toBe('NAME_TAKEN');
  });

  it('is refused as PARTIAL_UPLOAD for an upload in place that does not replace the whole file', async () => {
    const write = 0x02;
    const create = 0x08;
    const openInPlace = (path: string): Promise<Buffer> =>
      call<Buffer>((done) => sftp.open(path, (write | create) as never, done));
    const stored = async () => String((await test.content('acme/in-place.bin')).body);
    await call((done) => sftp.writeFile('/in-place.bin', 'abcdef', done));

    const resumed = await openInPlace('/in-place.bin');
    expect(await codeOf(writeAt(resumed, Buffer.from('ghi'), 6))).toBe('PARTIAL_UPLOAD');
    expect(await codeOf(close(resumed))).toBe('PARTIAL_UPLOAD');
    expect(await codeOf(close(await openInPlace('/in-place.bin')))).toBe('PARTIAL_UPLOAD');
    expect(await stored()).toBe('abcdef');
    expect(test.events().at(-1)!.detail['failure-code']).toBe('PARTIAL_UPLOAD');

    const shorter = await openInPlace('/in-place.bin');
    await writeAt(shorter, Buffer.from('xyz'), 0);
    await call((done) => sftp.fsetstat(shorter, { size: 3 } as never, done));
    await close(shorter);
    expect(await stored()).toBe('xyz');
    const tail = await openInPlace('/in-place.bin');
    await writeAt(tail, Buffer.from('A'), 0);
    expect(await codeOf(close(tail))).toBe('PARTIAL_UPLOAD');
  });

  it('is refused for a handle that is not open', async () => {
    expect(await codeOf(close(Buffer.from('none')))).toBe('NOT_SUPPORTED');
    expect(await codeOf(writeAt(Buffer.alloc(256), Buffer.from('x'), 0))).toBe('NOT_SUPPORTED');
  });
});

describe('an upload whose connection is cut', () => {
  it.each([
    ['in its first part', 1_000],
    ['in a later part', 2 * PART_BYTES + 1_000],
  ])('%s leaves a partial object and a failed event, and is never reported as completed', async (_, sentBytes) => {
    const cut = await test.connect();
    cut.client.on('error', () => undefined);
    const path = `/cut-${sentBytes}.bin`;
    const content = randomBytes(sentBytes);
    const handle = await call<Buffer>((done) => cut.sftp.open(path, 'w', done));
    for (let offset = 0; offset < sentBytes; offset += 32_768) {
      const piece = content.subarray(offset, offset + 32_768);
      await call((done) => cut.sftp.write(handle, piece, 0, piece.length, offset, done));
    }
    cut.client.destroy();
    const filePath = `/${LANDING}/acme${path}`;
    const eventsOf = () => test.events().filter(({ detail }) => detail['file-path'] === filePath);
    await vi.waitFor(() => expect(eventsOf()).toHaveLength(1), { timeout: 60_000 });
    expect(eventsOf()[0]).toMatchObject({
      'detail-type': 'SFTP Server File Upload Failed',
      detail: {
        'failure-code': 'PARTIAL_UPLOAD',
        'failure-message': 'File was partially uploaded.',
        'status-code': 'FAILED',
        bytes: sentBytes,
      },
    });
    expect((await test.content(`acme${path}`)).body.equals(content)).toBe(true);
    expect(await test.openUploadCount()).toBe(0);
    expect(test.journal.openUploads.list()).toEqual([]);
  });
});

describe('a malformed packet', () => {
  const packets: [string, Buffer][] = [
    ['no length', Buffer.from([0, 0, 0, 0, 0])],
    ['a length over the maximum', Buffer.from([0x00, 0xff, 0xff, 0xff, 1])],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff, 1])],
    ['an unknown type', Buffer.from([0, 0, 0, 1, 99])],
    ['a request before INIT', Buffer.from([0, 0, 0, 5, 17, 0, 0, 0, 1])],
    ['INIT twice', Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3, 0, 0, 0, 5, 1, 0, 0, 0, 3])],
    ['a truncated OPEN', Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3, 0, 0, 0, 6, 3, 0, 0, 0, 1, 0xff])],
    ['garbage', randomBytes(10_000)],
  ];

  it.each(packets)('%s ends that session only', async (_, packet) => {
    const bad = await test.connect();
    bad.client.on('error', () => undefined);
    const closed = once(bad.client, 'close');
    const channel = await call<ClientChannel>((done) => bad.client.subsys('sftp', done as never));
    channel.on('error', () => undefined);
    channel.write(packet);
    await closed;
    expect(await call<string>((done) => sftp.realpath('/', done as never))).toBe('/');
  });

  it('of garbage before the handshake harms nobody', async () => {
    const socket = connectTcp(test.gateway.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    const closed = once(socket, 'close');
    socket.write(Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(50_000)]));
    await closed;
    expect(await call<string>((done) => sftp.realpath('/', done as never))).toBe('/');
  });
});

describe('a name that is not UTF-8', () => {
  it('is refused', async () => {
    const raw = await test.connect();
    const channel = await call<ClientChannel>((done) => raw.client.subsys('sftp', done as never));
    const replies: Buffer[] = [];
    channel.on('data', (data: Buffer) => replies.push(data));
    channel.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    const path = Buffer.from([0x2f, 0xc0, 0xae, 0xc0, 0xae]);
    channel.write(Buffer.concat([Buffer.from([0, 0, 0, 9 + path.length, 17, 0, 0, 0, 1, 0, 0, 0, path.length]), path]));
    await vi.waitFor(() => expect(Buffer.concat(replies).toString('latin1')).toContain('NAME_REJECTED'), {
      timeout: 60_000,
    });
    await raw.close();
  });
});
