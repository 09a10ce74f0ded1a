/** What faulty SFTP servers do to a client, row by row: each ends in its own error, in time, and nothing of what the server said is in it. */
import { afterEach, expect, test } from 'vitest';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import {
  attributesOf,
  type ScriptedSftpServer,
  SFTP_CONTENT,
  type SftpLogins,
  type SftpRequest,
  type SftpScript,
  STATUS,
  sendRaw,
  sendStatus,
  startScriptedSftpServer,
} from '#testkit/servers/scripted-sftp-server.ts';
import { openRemote, readRemoteSecrets } from './open-remote.ts';
import type { RemoteConnection } from './remote-connection.ts';

let server: ScriptedSftpServer | undefined;
afterEach(() => server?.stop());

const SAID = 'secret-of-the-server';
/** Less than is asked for. */
const FIRST_BYTES = 20_000;

async function open(script: SftpScript, logins?: SftpLogins, change: object = {}): Promise<RemoteConnection> {
  server = await startScriptedSftpServer(script, logins);
  const { secrets } = server;
  const remote = { ...server.remote, ...change };
  const store = { read: async (name: string) => ({ text: secrets[name] ?? '', version: '1' }) };
  return await openRemote(remote, await readRemoteSecrets(remote, store), {
    guard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
  });
}

async function* body(): AsyncGenerator<Uint8Array> {
  yield SFTP_CONTENT;
}
async function read(connection: RemoteConnection): Promise<number> {
  let bytes = 0;
  for await (const piece of connection.read('/in/a')) bytes += piece.byteLength;
  return bytes;
}
async function list(connection: RemoteConnection): Promise<number> {
  let entries = 0;
  for await (const _entry of connection.list('/in/')) entries += 1;
  return entries;
}
const write = (connection: RemoteConnection) => connection.write('/in/a', body());
const SMALL = SFTP_CONTENT.subarray(0, 10_000);
async function* small(): AsyncGenerator<Uint8Array> {
  yield SMALL;
}
const writeSmall = async (connection: RemoteConnection) => await connection.writeAndStat?.('/in/a', small());
const rename = (connection: RemoteConnection) => connection.rename('/in/a', '/in/b', { overwrite: true });
const renameAndLook = async (connection: RemoteConnection) => await connection.renameAndStat?.('/in/a', '/in/b');
const stat = (connection: RemoteConnection) => connection.stat('/in/a');
const remove = (connection: RemoteConnection) => connection.remove('/in/a');

const says =
  (code: number) =>
  (request: SftpRequest): void =>
    sendStatus(request, code, SAID);
/** Well at first, so that it happens in the middle. */
const later =
  (fault: (request: SftpRequest) => unknown) =>
  (request: SftpRequest): unknown =>
    request.count > 1 ? fault(request) : request.sftp.data(request.id, SFTP_CONTENT.subarray(0, FIRST_BYTES));
const silence = (): void => {};
const ends = ({ client }: SftpRequest): unknown => client.end();
const endsChannel = ({ sftp }: SftpRequest): unknown => sftp.end();
const cutsOff = ({ client }: SftpRequest): void =>
  (client as unknown as { _sock: { destroy(): void } })._sock.destroy();
const garbage = ({ sftp }: SftpRequest): void => sendRaw(sftp, Buffer.from('ffffffff01020304', 'hex'));

type Row = [string, SftpScript, (connection: RemoteConnection) => Promise<unknown>, string, object?];
const ROWS: Row[] = [
  ['a failure in the middle of a download', { READ: later(says(STATUS.FAILURE)) }, read, 'REMOTE_REFUSED'],
  ['a channel that ends in the middle of a download', { READ: later(endsChannel) }, read, 'REMOTE_LOST'],
  ['a connection that ends in the middle of a download', { READ: later(ends) }, read, 'REMOTE_LOST'],
  ['a reset in the middle of a download', { READ: later(cutsOff) }, read, 'REMOTE_LOST'],
  ['silence in the middle of a download', { READ: later(silence) }, read, 'REMOTE_STALLED'],
  ['bytes that are no packet in the middle of a download', { READ: later(garbage) }, read, 'REMOTE_LOST'],
  ['silence to a question', { STAT: silence }, stat, 'REMOTE_STALLED', { isUsable: false }],
  ['a file that may not be read', { OPEN: says(STATUS.PERMISSION_DENIED) }, read, 'REMOTE_DENIED', { isUsable: true }],
  ['a file that is gone', { OPEN: says(STATUS.NO_SUCH_FILE) }, read, 'REMOTE_PATH_GONE', { isUsable: true }],
  ['a status of no version', { OPEN: says(4_711) }, read, 'REMOTE_REFUSED', { isUsable: true }],
  ['no space for an upload', { WRITE: says(14) }, write, 'REMOTE_NO_SPACE', { isUsable: true }],
  ['a quota that an upload exceeds', { WRITE: says(15) }, write, 'REMOTE_NO_SPACE', { isUsable: true }],
  ['an upload that is refused when it is closed', { CLOSE: says(STATUS.FAILURE) }, write, 'REMOTE_REFUSED'],
  // Of a small one, all requests behind its bytes are under way when the answer comes.
  ['no space for a small upload', { WRITE: says(14) }, writeSmall, 'REMOTE_NO_SPACE', { isUsable: true }],
  ['a small upload that is refused when it is closed', { CLOSE: says(STATUS.FAILURE) }, writeSmall, 'REMOTE_REFUSED'],
  ['a small upload that cannot be looked at', { STAT: says(STATUS.FAILURE) }, writeSmall, 'REMOTE_REFUSED'],
  ['a small upload that may not be made', { OPEN: says(STATUS.PERMISSION_DENIED) }, writeSmall, 'REMOTE_DENIED'],
  ['silence to a small upload', { WRITE: silence }, writeSmall, 'REMOTE_STALLED'],
  [
    'a connection that ends before the reply to a small upload',
    { CLOSE: ends },
    writeSmall,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  ['a rename that is denied', { RENAME: says(STATUS.PERMISSION_DENIED) }, rename, 'REMOTE_DENIED', { isUsable: true }],
  ['a rename that is refused', { RENAME: says(STATUS.FAILURE) }, rename, 'REMOTE_REFUSED', { isUsable: true }],
  ['a delete that is denied', { REMOVE: says(STATUS.PERMISSION_DENIED) }, remove, 'REMOTE_DENIED', { isUsable: true }],
  [
    'a connection that ends before the reply to an upload',
    { CLOSE: ends },
    write,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  [
    'a connection that ends before the reply to a rename',
    { RENAME: cutsOff },
    rename,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  [
    'a connection that ends before the reply to a rename with a look',
    { RENAME: cutsOff },
    renameAndLook,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  [
    'a connection that ends before the reply to a delete',
    { REMOVE: cutsOff },
    remove,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  ['silence in the middle of a listing', { READDIR: silence }, list, 'REMOTE_STALLED'],
  ['a listing that is refused in the middle', { READDIR: says(STATUS.FAILURE) }, list, 'REMOTE_REFUSED'],
  ['a server that says it has no connection', { STAT: says(STATUS.NO_CONNECTION) }, stat, 'REMOTE_LOST'],
];

test.each<Row>(ROWS)('%s', async (_name, script, run, code, facts = {}) => {
  const connection = await open({ STAT: ({ sftp, id }) => sftp.status(id, STATUS.NO_SUCH_FILE), ...script });
  const { isUsable, ...ofError } = facts as { readonly isUsable?: boolean };
  const error = await run(connection).then(
    (value) => ({ value }),
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code, ...ofError });
  expect(String(error)).not.toContain(SAID);
  if (isUsable !== undefined) expect(connection.isUsable).toBe(isUsable);
  await connection.close();
});

test.each<[string, SftpLogins, string, object?]>([
  ['a password that is refused', { onTry: () => 'reject' }, 'REMOTE_AUTH_FAILED'],
  ['questions that are refused', { methods: ['keyboard-interactive'], onTry: () => 'reject' }, 'REMOTE_AUTH_FAILED'],
  [
    'silence to a password',
    { onTry: () => 'wait' },
    'REMOTE_UNREACHABLE',
    { timeouts: { connect: 8_000, stall: 1_000 } },
  ],
  ['a server that has no SFTP', { hasSftp: false }, 'REMOTE_PROTOCOL'],
])('%s is met with one try', async (_name, logins, code, change = {}) => {
  const error = await open({}, logins, change).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code });
  expect(String(error)).not.toContain('hush');
  expect(server?.requests.filter((request) => request.startsWith('login'))).toHaveLength(1);
});

test('a server with another key is told nothing of ours', async () => {
  const error = await open({}, {}, { hostKeys: [`SHA256:${'A'.repeat(43)}`] }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'REMOTE_UNTRUSTED', isOutcomeUnknown: false });
  expect(server?.requests).toEqual([]);
});

test('replies that come in another order, and in pieces of any size, are one file', async () => {
  const waiting: (() => void)[] = [];
  const connection = await open({
    READ({ sftp, id, fields }) {
      const [, offset, length] = fields as [Buffer, number, number];
      const piece = SFTP_CONTENT.subarray(offset, offset + Math.min(length, 1_000 + (offset % 7_000)));
      waiting.unshift(() => (piece.length === 0 ? sftp.status(id, STATUS.EOF) : sftp.data(id, piece)));
      setImmediate(() => waiting.shift()?.());
    },
  });
  expect(await read(connection)).toBe(SFTP_CONTENT.length);
  await connection.close();
});

test('a small upload is asked for in two goes, and one that was looked at too early is looked at again', async () => {
  const connection = await open({
    STAT: ({ sftp, id, count }) => sftp.attrs(id, attributesOf(count === 1 ? 0 : SMALL.length)),
  });
  expect(await writeSmall(connection)).toMatchObject({ sizeBytes: SMALL.length });
  const upload = (server?.requests ?? []).map((request) => request.split(' ')[0]).filter((verb) => verb !== 'login');
  expect(upload.filter((verb) => verb === 'CLOSE')).toHaveLength(1);
  expect(upload.filter((verb) => verb === 'STAT')).toHaveLength(2);
  expect(await writeSmall(connection)).toMatchObject({ sizeBytes: SMALL.length });
  await connection.close();
});

const missing = ({ sftp, id }: SftpRequest): void => sftp.status(id, STATUS.NO_SUCH_FILE);
const found = ({ sftp, id }: SftpRequest): void => sftp.attrs(id, attributesOf(3));

// The first look is for a file that has the name before.
test.each<[string, ((request: SftpRequest) => unknown)[], object | undefined]>([
  ['has its new name', [missing, found], { sizeBytes: 3 }],
  ['is looked at again where that was too early', [missing, missing, found], { sizeBytes: 3 }],
  ['was moved, though it is taken at once', [missing, missing, missing], undefined],
  ['was moved, though nothing more is heard', [missing, cutsOff], undefined],
  ['was moved, though nobody may look at it', [missing, ...Array(2).fill(says(STATUS.PERMISSION_DENIED))], undefined],
])('a file that is renamed and looked at in one go %s', async (_name, looks, there) => {
  const connection = await open({ STAT: (request) => looks[request.count - 1]?.(request) });
  expect(await renameAndLook(connection)).toEqual(there && expect.objectContaining(there));
  expect(server?.requests.filter((request) => request === 'RENAME')).toHaveLength(1);
  expect(server?.requests.filter((request) => request === 'STAT')).toHaveLength(looks.length);
  await connection.close();
});

test('an upload whose end is missing is shown as it is', async () => {
  const connection = await open({ STAT: ({ sftp, id }) => sftp.attrs(id, attributesOf(SMALL.length - 1)) });
  expect(await writeSmall(connection)).toMatchObject({ sizeBytes: SMALL.length - 1 });
  await connection.close();
});

test('an end that comes early is no error here: who reads compares with the size', async () => {
  const connection = await open({ READ: later(says(STATUS.EOF)) });
  expect(await read(connection)).toBe(FIRST_BYTES);
  expect(await stat(connection)).toMatchObject({ sizeBytes: SFTP_CONTENT.length });
  await connection.close();
});

test('a server that lists nothing for ever is not asked for ever', async () => {
  const connection = await open({ READDIR: ({ sftp, id }) => sftp.name(id, []) });
  expect(await list(connection)).toBe(0);
  await connection.close();
});

test('a listing shows files of any size, and what is no file as such', async () => {
  const entries = [
    { filename: 'large', longname: '', attrs: attributesOf(5_000_000_000_000) },
    { filename: 'link', longname: '', attrs: { ...attributesOf(1), mode: 0o120_777 } },
    { filename: 'bare', longname: '', attrs: { ...attributesOf(3), mode: 0o644, mtime: 0 } },
  ];
  const connection = await open({
    READDIR: ({ sftp, id, count }) => (count === 1 ? sftp.name(id, entries) : sftp.status(id, STATUS.EOF)),
  });
  const found = [];
  for await (const entry of connection.list('/in/')) found.push(entry);
  expect(found).toEqual([
    { name: 'large', kind: 'file', sizeBytes: 5_000_000_000_000, modifiedAt: '2026-01-02T03:04:05Z' },
    { name: 'link', kind: 'other', sizeBytes: 1, modifiedAt: '2026-01-02T03:04:05Z' },
    { name: 'bare', kind: 'file', sizeBytes: 3, modifiedAt: undefined },
  ]);
  await connection.close();
});
