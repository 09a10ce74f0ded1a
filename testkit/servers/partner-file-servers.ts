/**
 * Servers with files, as partners run them, each over its own directory: ours, and those that are installed on this machine or unpacked
 * into `/opt/partner-servers`, as `.ci/run` does: installed, they would conflict with each other, and be started.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { startDiskFtpsServer } from '#local/partner-files/disk-ftps-server.ts';
import { startDiskSftpServer } from '#local/partner-files/disk-sftp-server.ts';
import { claimPorts, PORTS_PER_BLOCK } from '#local/ports.ts';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { type RemoteDocument, remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { type BlobServer, startBlobServer } from './blob-server.ts';
import { makeAuthority } from './make-certificates.ts';
import { UNPACKED, whyNotLoaded, withLibraries } from './unpacked-servers.ts';

export interface PartnerFileServer {
  readonly remote: RemoteDocument;
  /** By name, as the definition says. */
  readonly secrets: Readonly<Record<string, string>>;
  /** What the remote shows as `directory`, on disk; anybody may write there. */
  readonly onDisk: string;
  /** Begins and ends with `/`. */
  readonly directory: string;
  /** Attempts to log in with a password, where the server tells of them. */
  readonly logins?: readonly { readonly user: string; readonly isAccepted: boolean }[];
  stop(): Promise<void>;
}

export interface PartnerServerKind {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing: string | undefined;
  start(options?: { readonly port?: number }): Promise<PartnerFileServer>;
}

const HOST = '127.0.0.1';
const isRoot = process.getuid?.() === 0;
const READY_MS = 60_000;

/** Ours, and the one that most partners have. */
export const COMMON_SERVERS: readonly PartnerServerKind[] = [
  { name: 'the SFTP server of partner-files', missing: undefined, start: startStubSftp },
  { name: 'the FTPS server of partner-files', missing: undefined, start: startStubFtps },
  { name: 'a blob server that checks what Azure checks', missing: undefined, start: () => startBlobs() },
  { name: 'a blob server, by a shared access signature', missing: undefined, start: startBlobsBySas },
  { name: 'OpenSSH', missing: whyNot('/usr/sbin/sshd'), start: () => startOpenssh() },
];

/** Starting them, and waiting for them, takes most of a test's time: the long tests have them. */
export const FURTHER_SERVERS: readonly PartnerServerKind[] = [
  {
    name: 'vsftpd, which requires that TLS sessions are resumed',
    missing: whyNotLoaded('usr/sbin/vsftpd'),
    start: startVsftpd,
  },
  {
    name: 'proftpd',
    missing: whyNotLoaded('usr/sbin/proftpd') ?? whyNotLoaded('usr/lib/proftpd/mod_tls.so'),
    start: startProftpd,
  },
  { name: 'rclone, WebDAV', missing: whyNotProgram('rclone'), start: startRclone },
  { name: 'pure-ftpd', missing: whyNotLoaded('usr/sbin/pure-ftpd'), start: startPureFtpd },
];

export const PARTNER_SERVERS: readonly PartnerServerKind[] = [...COMMON_SERVERS, ...FURTHER_SERVERS];

async function startBlobsBySas(): Promise<PartnerFileServer> {
  const sas = `sv=2024-11-04&sr=c&sp=racwdl&sig=${encodeURIComponent(randomBytes(32).toString('base64'))}`;
  return await startBlobs({ sas });
}

export async function startBlobs({
  sas,
}: {
  readonly sas?: string;
} = {}): Promise<PartnerFileServer & { readonly blobs: BlobServer }> {
  const place = await makePlace();
  const authority = await makeAuthority('Partner CA');
  const [account, accountKey] = ['partner', randomBytes(64).toString('base64')];
  const { key, certificate } = await authority.issue(HOST);
  const identity = { account, accountKey, ...(sas !== undefined && { sas }) };
  const server = await startBlobServer({ host: HOST, directory: place.home, key, certificate, ...identity });
  return {
    remote: remoteDocumentSchema.parse({
      ...{ kind: 'remote', tenant: 'acme', name: 'partner', type: 'azure-blob', host: HOST, port: server.port },
      ...{ user: account, tls: { authority: 'partner-ca' }, paths: ['/files/in/'] },
      [sas === undefined ? 'accountKey' : 'sas']: 'partner-password',
    }),
    secrets: { 'partner-password': sas ?? accountKey, 'partner-ca': authority.certificate },
    blobs: server,
    onDisk: place.onDisk,
    directory: '/files/in/',
    stop: async () => {
      await server.stop();
      await place.remove();
    },
  };
}

function webdavRemote(fields: Record<string, unknown>): RemoteDocument {
  return remoteDocumentSchema.parse({
    ...{ kind: 'remote', tenant: 'acme', name: 'partner', type: 'webdav', host: HOST, password: 'partner-password' },
    ...{ tls: { authority: 'partner-ca' }, user: 'partner', ...fields },
  });
}

async function startRclone(): Promise<PartnerFileServer> {
  const place = await makePlace();
  const { file, authority } = await makeTls(place.home);
  const { port } = place;
  const login = ['--user', 'partner', '--pass', 'hush-webdav', '--config', '/dev/null', '--dir-cache-time', '0'];
  const args = [
    'serve',
    'webdav',
    join(place.home, 'files'),
    '--addr',
    `${HOST}:${port}`,
    '--cert',
    file,
    '--key',
    file,
  ];
  const stop = await startProgram('rclone', [...args, ...login], port);
  return {
    remote: webdavRemote({ port, paths: ['/in/'] }),
    secrets: { 'partner-password': 'hush-webdav', 'partner-ca': authority },
    onDisk: place.onDisk,
    directory: '/in/',
    stop: async () => {
      await stop();
      await place.remove();
    },
  };
}

function fingerprintOfHostKey(key: string): string {
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  return `SHA256:${createHash('sha256').update(parsed.getPublicSSH()).digest('base64').replace(/=+$/, '')}`;
}

function whyNot(program: string): string | undefined {
  if (!isRoot) return 'needs root';
  return spawnSync('test', ['-x', program]).status === 0 ? undefined : `${program} is not installed`;
}

function whyNotProgram(program: string): string | undefined {
  return spawnSync('which', [program]).status === 0 ? undefined : `${program} is not installed`;
}

interface Workplace {
  readonly home: string;
  readonly onDisk: string;
  /** Of a block that no other process on this machine is given. */
  readonly port: number;
  readonly passive: { readonly first: number; readonly last: number };
  remove(): Promise<void>;
}

async function makePlace(): Promise<Workplace> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-partner-'));
  await chmod(home, 0o755);
  const onDisk = join(home, 'files', 'in');
  await mkdir(onDisk, { recursive: true });
  await chmod(onDisk, 0o777);
  const { base, release } = await claimPorts(HOST);
  return {
    home,
    onDisk,
    port: base,
    passive: { first: base + 1, last: base + PORTS_PER_BLOCK - 2 },
    async remove() {
      await release();
      await rm(home, { recursive: true, force: true });
    },
  };
}

function sftpRemote(fields: Record<string, unknown>): RemoteDocument {
  return remoteDocumentSchema.parse({
    kind: 'remote',
    tenant: 'acme',
    name: 'partner',
    type: 'sftp',
    host: HOST,
    ...fields,
  });
}

function ftpsRemote(fields: Record<string, unknown>): RemoteDocument {
  return remoteDocumentSchema.parse({
    ...{ kind: 'remote', tenant: 'acme', name: 'partner', type: 'ftps', host: HOST, password: 'partner-password' },
    ...{ tls: { authority: 'partner-ca' } },
    ...fields,
  });
}

async function startStubSftp({ port = 0 } = {}): Promise<PartnerFileServer> {
  const place = await makePlace();
  const key = makeSshKey();
  const logins: { user: string; isAccepted: boolean }[] = [];
  const server = await startDiskSftpServer({
    host: HOST,
    port,
    hostKey: key.private,
    users: [{ user: 'partner', password: 'hush-sftp', directory: join(place.home, 'files') }],
    onLogin: (login) => logins.push(login),
  });
  return {
    remote: sftpRemote({
      port: server.port,
      user: 'partner',
      password: 'partner-password',
      hostKeys: [fingerprintOfHostKey(key.private)],
      paths: ['/in/'],
    }),
    secrets: { 'partner-password': 'hush-sftp' },
    onDisk: place.onDisk,
    directory: '/in/',
    logins,
    stop: async () => {
      await server.stop();
      await place.remove();
    },
  };
}

async function startStubFtps(): Promise<PartnerFileServer> {
  const place = await makePlace();
  const authority = await makeAuthority('Partner CA');
  const { key, certificate } = await authority.issue(HOST);
  const logins: { user: string; isAccepted: boolean }[] = [];
  const server = await startDiskFtpsServer({
    host: HOST,
    port: place.port,
    passivePorts: place.passive,
    key,
    certificate,
    users: [{ user: 'partner', password: 'hush-ftps', directory: join(place.home, 'files') }],
    onLogin: (login) => logins.push(login),
  });
  return {
    remote: ftpsRemote({ port: server.port, user: 'partner', paths: ['/in/'] }),
    secrets: { 'partner-password': 'hush-ftps', 'partner-ca': authority.certificate },
    onDisk: place.onDisk,
    directory: '/in/',
    logins,
    stop: async () => {
      await server.stop();
      await place.remove();
    },
  };
}

/** `lines`: more of its configuration. */
export async function startOpenssh({
  lines = [],
}: {
  readonly lines?: readonly string[];
} = {}): Promise<PartnerFileServer> {
  const place = await makePlace();
  const [hostKey, userKey] = [makeSshKey(), makeSshKey()];
  const { port } = place;
  await mkdir('/run/sshd', { recursive: true });
  await writeFile(join(place.home, 'host'), hostKey.private, { mode: 0o600 });
  await writeFile(join(place.home, 'authorized'), `${userKey.public}\n`, { mode: 0o600 });
  await writeFile(
    join(place.home, 'config'),
    [
      `Port ${port}`,
      `ListenAddress ${HOST}`,
      `HostKey ${join(place.home, 'host')}`,
      `AuthorizedKeysFile ${join(place.home, 'authorized')}`,
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'PidFile none',
      'Subsystem sftp internal-sftp',
      ...lines,
    ].join('\n'),
  );
  const stop = await startProgram('/usr/sbin/sshd', ['-D', '-e', '-f', join(place.home, 'config')], port);
  return {
    remote: sftpRemote({
      port,
      user: 'root',
      privateKey: 'partner-key',
      hostKeys: [fingerprintOfHostKey(hostKey.private)],
      paths: [`${place.onDisk}/`],
    }),
    secrets: { 'partner-key': userKey.private },
    onDisk: place.onDisk,
    directory: `${place.onDisk}/`,
    stop: async () => {
      await stop();
      await place.remove();
    },
  };
}

async function makeTls(home: string): Promise<{ readonly file: string; readonly authority: string }> {
  const authority = await makeAuthority('Partner CA');
  const { key, certificate } = await authority.issue(HOST);
  const file = join(home, 'tls.pem');
  await writeFile(file, `${key}\n${certificate}\n`, { mode: 0o600 });
  return { file, authority: authority.certificate };
}

/** Anonymous users are let in by a list of passwords: so no user of this machine is made. `daemon` has a home that exists. */
async function startVsftpd(): Promise<PartnerFileServer> {
  const place = await makePlace();
  const { file, authority } = await makeTls(place.home);
  const { port, passive } = place;
  await writeFile(join(place.home, 'passwords'), 'hush-vsftpd\n');
  await chown(place.onDisk, 1, -1);
  const config = {
    ...{ listen: 'YES', listen_address: HOST, listen_port: port, background: 'NO', anonymous_enable: 'YES' },
    ...{ local_enable: 'NO', write_enable: 'YES', anon_upload_enable: 'YES', anon_other_write_enable: 'YES' },
    ...{ anon_mkdir_write_enable: 'YES', anon_umask: '022', anon_world_readable_only: 'NO', ftp_username: 'daemon' },
    ...{ anon_root: join(place.home, 'files'), secure_email_list_enable: 'YES', seccomp_sandbox: 'NO' },
    ...{ email_password_file: join(place.home, 'passwords'), ssl_enable: 'YES', allow_anon_ssl: 'YES' },
    ...{ force_anon_logins_ssl: 'YES', force_anon_data_ssl: 'YES', rsa_cert_file: file, rsa_private_key_file: file },
    ...{ require_ssl_reuse: 'YES', ssl_ciphers: 'HIGH', pasv_min_port: passive.first, pasv_max_port: passive.last },
    ...{ secure_chroot_dir: place.home, xferlog_enable: 'NO', ssl_tlsv1: 'YES', use_localtime: 'NO' },
  };
  const empty = join(place.home, 'empty');
  await mkdir(empty, { mode: 0o755 });
  config.secure_chroot_dir = empty;
  const text = Object.entries(config).map(([name, value]) => `${name}=${value}`);
  await writeFile(join(place.home, 'vsftpd.conf'), `${text.join('\n')}\n`);
  const stop = await startProgram(join(UNPACKED, 'usr/sbin/vsftpd'), [join(place.home, 'vsftpd.conf')], port);
  return {
    remote: ftpsRemote({ port, user: 'anonymous', paths: ['/in/'] }),
    secrets: { 'partner-password': 'hush-vsftpd', 'partner-ca': authority },
    onDisk: place.onDisk,
    directory: '/in/',
    stop: async () => {
      await stop();
      await place.remove();
    },
  };
}

async function startProftpd(): Promise<PartnerFileServer> {
  const place = await makePlace();
  const { file, authority } = await makeTls(place.home);
  const { port, passive } = place;
  const hash = spawnSync('openssl', ['passwd', '-5', 'hush-proftpd'], { encoding: 'utf8' }).stdout.trim();
  await writeFile(join(place.home, 'passwd'), `partner:${hash}:65534:65534::${join(place.home, 'files')}:/bin/sh\n`, {
    mode: 0o600,
  });
  const modules = join(UNPACKED, 'usr/lib/proftpd');
  await writeFile(
    join(place.home, 'proftpd.conf'),
    `
ModulePath ${modules}
LoadModule mod_tls.c
ServerName partner
ServerType standalone
DefaultServer on
UseIPv6 off
Port ${port}
DefaultAddress ${HOST}
PassivePorts ${passive.first} ${passive.last}
ScoreboardFile ${join(place.home, 'scoreboard')}
PidFile ${join(place.home, 'pid')}
DelayTable none
User nobody
Group nogroup
AuthUserFile ${join(place.home, 'passwd')}
AuthOrder mod_auth_file.c
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
SystemLog ${join(place.home, 'log')}
WtmpLog off
TransferLog none
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSRSACertificateFile ${file}
TLSRSACertificateKeyFile ${file}
TLSECCertificateFile ${file}
TLSECCertificateKeyFile ${file}
`.replace(/^TLSRSA.*\n/gm, ''),
  );
  const stop = await startProgram(
    join(UNPACKED, 'usr/sbin/proftpd'),
    ['-n', '-c', join(place.home, 'proftpd.conf')],
    port,
  );
  return {
    remote: ftpsRemote({ port, user: 'partner', paths: ['/in/'] }),
    secrets: { 'partner-password': 'hush-proftpd', 'partner-ca': authority },
    onDisk: place.onDisk,
    directory: '/in/',
    stop: async () => {
      await stop();
      await place.remove();
    },
  };
}

async function startPureFtpd(): Promise<PartnerFileServer> {
  const place = await makePlace();
  const { file, authority } = await makeTls(place.home);
  const { port, passive } = place;
  const [passwords, database] = [join(place.home, 'passwords'), join(place.home, 'passwords.pdb')];
  const pw = join(UNPACKED, 'usr/bin/pure-pw');
  spawnSync(
    pw,
    [
      'useradd',
      'partner',
      '-u',
      '65534',
      '-g',
      '65534',
      '-d',
      join(place.home, 'files'),
      '-f',
      passwords,
      '-F',
      database,
      '-m',
    ],
    { input: 'hush-pure-ftpd\nhush-pure-ftpd\n' },
  );
  const stop = await startProgram(
    join(UNPACKED, 'usr/sbin/pure-ftpd'),
    [
      '-S',
      `${HOST},${port}`,
      '-l',
      `puredb:${database}`,
      '-A',
      '-E',
      '-Y',
      '2',
      '-2',
      file,
      '-p',
      `${passive.first}:${passive.last}`,
      '-H',
      '-G',
    ].filter((argument) => argument !== '-G'),
    port,
  );
  return {
    remote: ftpsRemote({ port, user: 'partner', paths: ['/in/'] }),
    secrets: { 'partner-password': 'hush-pure-ftpd', 'partner-ca': authority },
    onDisk: place.onDisk,
    directory: '/in/',
    stop: async () => {
      await stop();
      await place.remove();
    },
  };
}

/** Resolves to what ends it. @throws with what it printed when it does not listen in time. */
async function startProgram(program: string, args: readonly string[], port: number): Promise<() => Promise<void>> {
  const env = program.startsWith(UNPACKED) ? withLibraries() : process.env;
  const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const printed: Buffer[] = [];
  child.stdout.on('data', (data) => printed.push(data));
  child.stderr.on('data', (data) => printed.push(data));
  const ended = once(child, 'exit');
  const listens = waitUntil(`${program} listens`, () => canConnect(port), { timeoutMs: READY_MS });
  await Promise.race([listens, ended]);
  if (child.exitCode !== null || !(await canConnect(port)))
    throw new Error(`${program} does not listen (${child.exitCode}): ${Buffer.concat(printed)}`);
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await ended;
  };
}

async function canConnect(port: number): Promise<boolean> {
  const socket = connect({ host: HOST, port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export { makeSshKey };
