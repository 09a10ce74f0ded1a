/** What faulty FTPS servers do to a client, row by row: each ends in its own error, in time, and nothing of what the server said is in it. */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import {
  type FtpsScript,
  SCRIPTED_CONTENT,
  type ScriptedFtpsServer,
  startScriptedFtpsServer,
} from '#testkit/servers/scripted-ftps-server.ts';
import { openRemote, readRemoteSecrets } from './open-remote.ts';
import type { RemoteConnection } from './remote-connection.ts';

let server: ScriptedFtpsServer | undefined;
afterEach(() => server?.stop());

const hasIpv6 = existsSync('/proc/net/if_inet6') && readFileSync('/proc/net/if_inet6', 'utf8').includes(' lo');
const SAID = 'secret-of-the-server';

interface OpenOptions {
  readonly site?: string[];
  readonly host?: string;
}

async function open(script: FtpsScript, { host, ...change }: OpenOptions = {}): Promise<RemoteConnection> {
  server = await startScriptedFtpsServer(script, host);
  const { secrets } = server;
  const remote = remoteDocumentSchema.parse({ ...server.remote, ...change });
  const store = { read: async (name: string) => ({ text: secrets[name] ?? '', version: '1' }) };
  return await openRemote(remote, await readRemoteSecrets(remote, store), {
    guard: createAddressGuard({ allow: ['127.0.0.0/8', '::1'] }),
  });
}

async function* body(): AsyncGenerator<Uint8Array> {
  yield Buffer.from(SCRIPTED_CONTENT);
}
async function read(connection: RemoteConnection): Promise<number> {
  let bytes = 0;
  for await (const piece of connection.read('/in/a')) bytes += piece.byteLength;
  return bytes;
}
async function list(connection: RemoteConnection): Promise<void> {
  for await (const _entry of connection.list('/in/'));
}
const write = (connection: RemoteConnection) => connection.write('/in/a', body());
const rename = (connection: RemoteConnection) => connection.rename('/in/a', '/in/b', { overwrite: true });
const stat = (connection: RemoteConnection) => connection.stat('/in/a');

const listing =
  (text: string): FtpsScript[string] =>
  async ({ reply, data }) => {
    const socket = await data();
    reply('150 here it comes');
    socket.end(text, () => reply('226 done'));
  };

const refused: FtpsScript[string] = ({ reply }) => reply(`502 ${SAID}`);

/** Takes connections, and says nothing over them. */
const silentPort: FtpsScript[string] = async ({ reply }) => {
  const silent = createServer(() => {})
    .listen(0, '127.0.0.1')
    .unref();
  await once(silent, 'listening');
  reply(`229 Entering (|||${(silent.address() as AddressInfo).port}|)`);
};

type Row = [string, FtpsScript, (connection: RemoteConnection) => Promise<unknown>, string, object?];
const ROWS: Row[] = [
  [
    '426 in the middle of a download',
    {
      async RETR({ reply, data }) {
        const socket = await data();
        reply('150 here it comes');
        socket.write('half', () => reply(`426 ${SAID}`));
      },
    },
    read,
    'REMOTE_LOST',
  ],
  [
    'a reset in the middle of a download',
    {
      async RETR({ reply, data, control }) {
        const socket = await data();
        reply('150 here it comes');
        socket.write('half', () => control.destroy());
      },
    },
    read,
    'REMOTE_LOST',
  ],
  [
    'silence in the middle of a download',
    {
      async RETR({ reply, data }) {
        (await data()).write('half');
        reply('150 here it comes');
      },
    },
    read,
    'REMOTE_STALLED',
  ],
  ['silence to a question', { SIZE: () => {} }, stat, 'REMOTE_STALLED'],
  ['421 while it is used', { SIZE: ({ reply }) => reply(`421 ${SAID}`) }, stat, 'REMOTE_BUSY', { isUsable: false }],
  ['425 for a data connection', { RETR: ({ reply }) => reply(`425 ${SAID}`) }, read, 'REMOTE_TLS_REUSE'],
  ['522 for a data connection', { STOR: ({ reply }) => reply(`522 ${SAID}`) }, write, 'REMOTE_TLS_REUSE'],
  ['552 for an upload', { STOR: ({ reply }) => reply(`552 ${SAID}`) }, write, 'REMOTE_NO_SPACE', { isUsable: true }],
  ['553 for a rename', { RNTO: ({ reply }) => reply(`553 ${SAID}`) }, rename, 'REMOTE_DENIED', { isUsable: true }],
  [
    'a connection that ends before the reply to an upload',
    {
      async STOR({ reply, data, control }) {
        const socket = await data();
        reply('150 go on');
        socket.resume().once('end', () => control.end());
      },
    },
    write,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  [
    'a connection that ends before the reply to a rename',
    { RNTO: ({ control }) => control.end() },
    rename,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  ['an upload that it kept a part of', { SIZE: ({ reply }) => reply('213 17') }, write, 'REMOTE_REFUSED'],
  [
    'a listing of no known form',
    { FEAT: ({ reply }) => reply('211 none'), LIST: listing('\u0001?? what is this ??\r\n') },
    list,
    'REMOTE_LISTING_UNKNOWN',
  ],
  [
    'silence after the data of a download',
    {
      async RETR({ reply, data }) {
        const socket = await data();
        reply('150 here it comes');
        socket.end(SCRIPTED_CONTENT);
      },
    },
    read,
    'REMOTE_STALLED',
  ],
  [
    'a data port that nobody listens on, as behind a firewall that refuses',
    { EPSV: ({ reply }) => reply('229 Entering (|||1|)') },
    read,
    'REMOTE_UNREACHABLE',
  ],
  ['the same for an upload', { EPSV: ({ reply }) => reply('229 Entering (|||1|)') }, write, 'REMOTE_UNREACHABLE'],
  ['a data port behind a firewall that drops', { EPSV: silentPort }, read, 'REMOTE_STALLED'],
  [
    'a control connection that is cut in the middle of an upload',
    {
      async STOR({ reply, data, control }) {
        const socket = await data();
        reply('150 go on');
        socket.once('data', () => control.destroy());
      },
    },
    write,
    'REMOTE_LOST',
    { isOutcomeUnknown: true },
  ],
  ['EPSV and PASV that are both refused', { EPSV: refused, PASV: refused }, read, 'REMOTE_REFUSED'],
  ['a PASV that says nothing', { EPSV: refused, PASV: ({ reply }) => reply('227 well') }, read, 'REMOTE_PROTOCOL'],
  ['a reply without end', { SIZE: ({ control }) => control.write('213-'.padEnd(200_000, 'x')) }, stat, 'REMOTE_LOST'],
  ['452 for an upload', { STOR: ({ reply }) => reply(`452 ${SAID}`) }, write, 'REMOTE_NO_SPACE', { isUsable: true }],
  ['a port that is none', { EPSV: ({ reply }) => reply('229 Entering (|||0|)') }, read, 'REMOTE_PROTOCOL'],
];

test.each<Row>(ROWS)('%s', async (_name, script, run, code, facts = {}) => {
  const connection = await open(script);
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

test.each<[string, FtpsScript, string]>([
  ['421 in place of a greeting', { PASS: ({ reply }) => reply(`421 ${SAID}`) }, 'REMOTE_BUSY'],
  ['530 for the password', { PASS: ({ reply }) => reply(`530 ${SAID}`) }, 'REMOTE_AUTH_FAILED'],
  [
    '530 where too many are logged in',
    {
      PASS: ({ reply }) =>
        reply(`530 Sorry, the maximum number of clients (2) for this user already connected ${SAID}`),
    },
    'REMOTE_BUSY',
  ],
  [
    '530 for an account that too many tries have locked',
    { PASS: ({ reply }) => reply(`530 Too many failed logins, account locked, try again later ${SAID}`) },
    'REMOTE_AUTH_FAILED',
  ],
])('%s', async (_name, script, code) => {
  const error = await open(script).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code });
  expect(String(error)).not.toContain(SAID);
  // One try, whatever it was.
  expect(server?.commands.filter((command) => command.startsWith('PASS'))).toHaveLength(1);
});

test.each<[string, (socket: Socket) => void, string]>([
  ['ends', (socket) => socket.once('data', () => socket.destroy()), 'REMOTE_UNREACHABLE'],
  ['answers with what is not TLS', (socket) => socket.once('data', () => socket.end(SAID)), 'REMOTE_PROTOCOL'],
])('a handshake that the server %s is no matter of trust', async (_name, onSocket, code) => {
  const broken = createServer((socket) => onSocket(socket.on('error', () => {})));
  broken.listen(0, '127.0.0.1');
  await once(broken, 'listening');
  server = await startScriptedFtpsServer({});
  const store = { read: async () => ({ text: 'hush', version: '1' }) };
  for (const type of ['ftps', 'webdav']) {
    const tls = { ...(type === 'ftps' && { mode: 'implicit' }), pins: [`sha256/${'A'.repeat(43)}=`] };
    const { port } = broken.address() as AddressInfo;
    const { limits: _limits, timeouts: _timeouts, ...fields } = server.remote;
    const remote = remoteDocumentSchema.parse({ ...fields, type, port, tls, timeouts: { connect: '5s', stall: '1s' } });
    const opened = openRemote(remote, await readRemoteSecrets(remote, store), {
      guard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    });
    await expect(opened).rejects.toMatchObject({ code });
  }
  broken.close();
});

test('without EPSV the data connection goes to the port of PASV, at the address of the control connection alone', async () => {
  const connection = await open({
    EPSV: refused,
    async PASV({ reply, listen }) {
      const port = await listen();
      // Of somebody else, as a server behind NAT says it, or one that wants us to call another.
      reply(`227 Entering Passive Mode (192,0,2,7,${port >> 8},${port & 255}).`);
    },
  });
  expect(await read(connection)).toBe(SCRIPTED_CONTENT.length);
  expect(await read(connection)).toBe(SCRIPTED_CONTENT.length);
  expect(server?.commands.filter((command) => /^(?:EPSV|PASV)/.test(command))).toEqual(['EPSV', 'PASV', 'PASV']);
  await connection.close();
});

test.skipIf(!hasIpv6)(
  'over IPv6 data connections go to the address of the control connection, by EPSV alone',
  async () => {
    const connection = await open({}, { host: '::1' });
    expect(await read(connection)).toBe(SCRIPTED_CONTENT.length);
    await write(connection);
    expect(server?.commands.filter((command) => /^(?:EPSV|PASV)/.test(command))).toEqual(['EPSV', 'EPSV']);
    await connection.close();
  },
);

test.skipIf(!existsSync('/proc/net/tcp'))(
  'a control connection that is silent while a file is under way is kept open at routers',
  async () => {
    const connection = await open({});
    const port = server?.remote.port ?? 0;
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    const ours = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , remote, state]) => remote?.endsWith(`:${hex}`) && state === '01');
    // A keepalive timer, and the hundredths of a second until it ends.
    expect(ours.map(([, , , , , timer]) => timer?.slice(0, 2))).toEqual(['02']);
    expect(Number.parseInt(ours[0]?.[5]?.slice(3) ?? '', 16)).toBeLessThanOrEqual(6_000);
    await connection.close();
  },
);

test('226 after a part of the file is no error here: who reads compares with the size', async () => {
  const connection = await open({
    async RETR({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      socket.end(SCRIPTED_CONTENT.slice(0, 1_000), () => reply('226 done'));
    },
  });
  expect(await read(connection)).toBe(1_000);
  expect(await stat(connection)).toMatchObject({ sizeBytes: SCRIPTED_CONTENT.length });
  await connection.close();
});

test('226 before the data ended loses none of it', async () => {
  const connection = await open({
    async RETR({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      reply('226 done');
      setTimeout(() => socket.end(SCRIPTED_CONTENT), 50);
    },
  });
  expect(await read(connection)).toBe(SCRIPTED_CONTENT.length);
  await connection.close();
});

describe('a listing', () => {
  const listed = async (text: string, script: FtpsScript = {}) => {
    const connection = await open({ FEAT: ({ reply }) => reply('211 none'), LIST: listing(text), ...script });
    try {
      const entries = [];
      for await (const { name, kind, sizeBytes } of connection.list('/in/')) entries.push([name, kind, sizeBytes]);
      return entries;
    } finally {
      await connection.close();
    }
  };

  test.each([
    ['Unix', '-rw-r--r-- 1 bank staff 12 Nov 29 02:13 a b.csv\r\ndrwxr-xr-x 2 bank staff 4096 Nov 29  2025 old\r\n'],
    ['Windows', '11-29-26  02:13AM                   12 a b.csv\r\n11-29-25  02:13PM       <DIR>          old\r\n'],
    [
      'z/OS UNIX files',
      '-rw-r--r--   1 BANK     STAFF         12 Nov 29 02:13 a b.csv\r\ndrwxr-xr-x   2 BANK     STAFF       4096 Nov 29  2025 old\r\n',
    ],
  ])('of %s is read', async (_name, text) => {
    expect(await listed(text)).toEqual([
      ['a b.csv', 'file', 12],
      ['old', 'directory', expect.any(Number)],
    ]);
  });

  test.each([
    [
      'z/OS data sets',
      'Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\nWORK01 3390   2026/11/29  1   15  FB      80  8000  PS  BANK.DATA\r\n',
    ],
    ['OS/400', 'BANK         12 29/11/26 02:13:00 *STMF      a.csv\r\n'],
    ['VMS', 'A.CSV;1              1/3         29-NOV-2026 02:13:00  [BANK,STAFF]   (RWED,RWED,RE,)\r\n'],
  ])('of %s is refused, and its first line shown', async (_name, text) => {
    const first = text.slice(0, text.indexOf('\r')).replaceAll(/\s+/g, ' ');
    const refused = await listed(text).catch((error: Error) => error);
    expect(refused).toMatchObject({ code: 'REMOTE_LISTING_UNKNOWN' });
    expect((refused as Error).message.replaceAll(/\s+/g, ' ')).toContain(first);
  });

  test('with a name that has a line break loses no other file', async () => {
    const text = '-rw-r--r-- 1 a b 12 Nov 29 02:13 good.csv\r\n-rw-r--r-- 1 a b 5 Nov 29 02:13 evil\r\nname\r\n';
    expect(await listed(text)).toEqual([
      ['good.csv', 'file', 12],
      ['evil', 'file', 5],
      ['name', 'unread', undefined],
    ]);
  });

  test('of which one line has a time that is none loses no other file', async () => {
    const text =
      'type=file;size=12;modify=20260102030405; a.csv\r\ntype=file;size=7;modify=abc; b.csv\r\ntype=file;size=5;modify=20260102030405; c.csv\r\n';
    const script: FtpsScript = { FEAT: ({ reply }) => reply('211-Features\r\n MLSD\r\n211 End'), MLSD: listing(text) };
    expect(await listed(text, script)).toEqual([
      ['a.csv', 'file', 12],
      ['c.csv', 'file', 5],
      ['type=file;size=7;modify=abc; b.csv', 'unread', undefined],
    ]);
  });

  test.each([
    [
      'Unix',
      {},
      'total 8\r\ndrwxr-xr-x 2 a b 64 Nov 29 02:13 .\r\ndrwxr-xr-x 2 a b 64 Nov 29 02:13 ..\r\n-rw-r--r-- 1 a b 12 Nov 29 02:13 a.csv\r\nMigrated                  BANK.B\r\n-rw-r--r-- 1 a b 5 Nov 29 02:13 c.csv\r\n',
      'Migrated                  BANK.B',
    ],
    [
      'MLSD',
      { FEAT: ({ reply }) => reply('211-Features\r\n MLST size*;type*;modify*;\r\n211 End') } as FtpsScript,
      'type=cdir;modify=20261129021300; /in\r\ntype=file;size=12; a.csv\r\ntype=file;size=7; ../b.csv\r\ntype=file;size=5; c.csv\r\n',
      'type=file;size=7; ../b.csv',
    ],
  ])('of %s gives the lines that cannot be read as such', async (_name, script, text, unread) => {
    expect(await listed(text, { ...script, MLSD: listing(text) })).toEqual([
      ['a.csv', 'file', 12],
      ['c.csv', 'file', 5],
      [unread, 'unread', undefined],
    ]);
  });
});

test('the lines of `site` are sent after the login; one that is refused ends it, with nothing of what the server said', async () => {
  const site = ['NAMEFMT 1', 'LISTFMT 1'];
  const connection = await open({ SITE: ({ reply }) => reply('200 so be it') }, { site });
  expect(server?.commands.filter((command) => /^(?:PASS|SITE)/.test(command)).slice(-2)).toEqual([
    'SITE NAMEFMT 1',
    'SITE LISTFMT 1',
  ]);
  await connection.close();
  await server?.stop();
  const refused = await open({ SITE: ({ reply }) => reply(`500 ${SAID}`) }, { site }).catch((error: Error) => error);
  expect(refused).toMatchObject({ code: 'REMOTE_PROTOCOL', message: expect.not.stringContaining(SAID) });
});
