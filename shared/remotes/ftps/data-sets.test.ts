/** Data sets of z/OS, by listings in the form of IBM's "IP User's Guide and Commands". */
import { afterEach, describe, expect, test } from 'vitest';
import { remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import {
  type FtpsScript,
  SCRIPTED_CONTENT,
  type ScriptedFtpsServer,
  startScriptedFtpsServer,
} from '#testkit/servers/scripted-ftps-server.ts';
import { openRemote, readRemoteSecrets } from '../open-remote.ts';
import type { RemoteConnection } from '../remote-connection.ts';

let server: ScriptedFtpsServer;
let connection: RemoteConnection;
afterEach(async () => {
  await connection?.close();
  await server?.stop();
});

const DATA_SETS = [
  'Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname',
  'WORK01 3390   2026/11/29  1   15  FB      80  8000  PS  STMT.G0012V00',
  'WORK02 3390   2026/11/29  5   75  VB   32756 32760  PS  STMT.G0013V00',
  'WORK02 3390   **NONE**    1 65535  FB    137 27998  PS-E LARGE.ONE',
  "STRG84 3390   2026/11/29123+++++  U        0  6447  PS  'BANK.DAILY.WHOLE'",
  'APCSPL 3390   2026/10/12  1    1  VB     137 27998  PO  JCL.CNTL',
  'WYOSPT 3420   1992/02/08  1    1  ??       0     0  VS  CUSTOMER.KSDS',
  'Migrated                                                STMT.G0011V00',
  'ARCIVE Not Direct Access Device                         OLD.TAPE',
  'Error determining attributes                            LOCKED',
  'WYOSPT 3390   2026/11/29  1    1  FB      80  8000  PS  ..%2F',
].join('\r\n');
const MEMBERS = [
  ' Name     VV.MM   Created       Changed      Size  Init   Mod   Id',
  'STMTDAY1  01.05 2026/01/22 2026/11/17 11:23    24    24     0 BANKOPS',
  '@TABLE',
  'TOOLONGNAME',
].join('\r\n');

const sends =
  (text: string): FtpsScript[string] =>
  async ({ reply, data }) => {
    const socket = await data();
    reply('125 List started OK');
    socket.end(`${text}\r\n`, () => reply('250 List completed successfully.'));
  };
const NOTHING: FtpsScript[string] = ({ reply }) => reply('550 No data sets found.');
const NO_READ: FtpsScript[string] = ({ reply }) => reply('550 Command RETR fails: not found, or allocation failed.');

async function open(script: FtpsScript): Promise<void> {
  server = await startScriptedFtpsServer({
    FEAT: ({ reply }) => reply('211 none'),
    SIZE: ({ reply }) => reply('550 SIZE is not for data sets'),
    ...script,
  });
  const { secrets } = server;
  const remote = remoteDocumentSchema.parse({
    ...server.remote,
    dialect: 'zos',
    paths: ['/BANK.DAILY./', '/BANK.PDS/'],
  });
  const store = { read: async (name: string) => ({ text: secrets[name] ?? '', version: '1' }) };
  connection = await openRemote(remote, await readRemoteSecrets(remote, store), {
    guard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
  });
}

async function listed(directory: string): Promise<string[]> {
  const entries: string[] = [];
  for await (const { name, kind, sizeBytes, modifiedAt } of connection.list(directory)) {
    expect([sizeBytes, modifiedAt]).toEqual([undefined, undefined]);
    entries.push(`${kind} ${name}`);
  }
  return entries;
}

async function sizeOf(path: string): Promise<number> {
  let bytes = 0;
  for await (const piece of connection.read(path)) bytes += piece.byteLength;
  return bytes;
}

test('data sets are listed below their prefix; what is not on a disk is passed over and shown', async () => {
  await open({ LIST: sends(DATA_SETS) });
  expect(await listed('/BANK.DAILY./')).toEqual([
    ...['file STMT.G0012V00', 'file STMT.G0013V00', 'file LARGE.ONE', 'file WHOLE'],
    ...['directory JCL.CNTL', 'other CUSTOMER.KSDS'],
    ...['unread Migrated STMT.G0011V00', 'unread ARCIVE Not Direct Access Device OLD.TAPE'],
    ...['unread Error determining attributes LOCKED', 'unread WYOSPT 3390 2026/11/29 1 1 FB 80 8000 PS ..%2F'],
  ]);
  expect(server.commands).toContain("CWD 'BANK.DAILY.'");
});

test('members are listed of a partitioned data set', async () => {
  await open({ LIST: sends(MEMBERS) });
  expect(await listed('/BANK.PDS/')).toEqual(['file STMTDAY1', 'file @TABLE', 'unread TOOLONGNAME']);
  expect(server.commands).toContain("CWD 'BANK.PDS'");
});

test('a prefix of which there is nothing, or not yet, is an empty directory', async () => {
  await open({ LIST: NOTHING });
  expect(await listed('/BANK.DAILY./')).toEqual([]);
  expect(connection.isUsable).toBe(true);
});

test.each([
  ['a prefix that is written without its dot', '/BANK.PDS/', DATA_SETS, 'REMOTE_PATH_GONE'],
  ['a library that is written with a dot', '/BANK.DAILY./', MEMBERS, 'REMOTE_PATH_GONE'],
  [
    'UNIX files',
    '/BANK.PDS/',
    '-rw-r--r--   1 BANK     STAFF         12 Nov 29 02:13 a b.csv',
    'REMOTE_LISTING_UNKNOWN',
  ],
])('the listing of %s is refused', async (_name, directory, text, code) => {
  await open({ LIST: sends(text) });
  await expect(listed(directory)).rejects.toMatchObject({ code });
});

test('its size is what comes when it is read to its end', async () => {
  await open({});
  expect(await connection.stat('/BANK.DAILY./STMT.G0012V00')).toEqual({
    ...{ sizeBytes: SCRIPTED_CONTENT.length, modifiedAt: undefined },
  });
  expect(await sizeOf('/BANK.PDS/STMTDAY1')).toBe(SCRIPTED_CONTENT.length);
  expect(server.commands.filter((command) => command.startsWith('RETR'))).toEqual([
    "RETR 'BANK.DAILY.STMT.G0012V00'",
    "RETR 'BANK.PDS(STMTDAY1)'",
  ]);
});

test('one that cannot be read now is not taken for gone', async () => {
  await open({ RETR: NO_READ, LIST: sends(DATA_SETS) });
  await expect(connection.stat('/BANK.DAILY./STMT.G0012V00')).rejects.toMatchObject({
    code: 'REMOTE_DENIED',
    reply: 550,
  });
  expect(connection.isUsable).toBe(true);
  expect(await connection.stat('/BANK.DAILY./STMT.G0001V00')).toBeUndefined();
});

describe('what could be another data set', () => {
  test.each(['A)', "A'", 'A,B', 'A*', '.A', 'A..B', 'A(M)', '1A', 'A B', 'X'.repeat(40), 'A/B'])(
    'by the name %s is not asked for',
    async (name) => {
      await open({});
      await expect(sizeOf(`/BANK.DAILY./${name}`)).rejects.toMatchObject({ code: 'REMOTE_PLACE_REFUSED' });
      await expect(connection.stat(`/BANK.PDS/${name}`)).rejects.toMatchObject({ code: 'REMOTE_PLACE_REFUSED' });
      expect(server.commands.filter((command) => command.startsWith('RETR'))).toEqual([]);
    },
  );
});

test('nothing is written, renamed or removed', async () => {
  await open({});
  const [a, b] = ['/BANK.DAILY./A', '/BANK.DAILY./B'];
  for (const refused of [connection.remove(a), connection.rename(a, b), connection.write(a, (async function* () {})())])
    await expect(refused).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
  expect(server.commands.filter((command) => /^(?:DELE|RNFR|STOR|APPE)/.test(command))).toEqual([]);
});
