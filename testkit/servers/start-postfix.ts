/**
 * A postfix of a test's own: its configuration, queue and mailboxes are in its own directory, its port is of this machine only. It is installed,
 * or unpacked where `.ci/run` puts servers.
 *
 * What it takes for `example.com` goes to one maildir, by its own delivery; everything else is refused.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimPorts } from '#local/ports.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { UNPACKED, whyNotLoaded, withLibraries } from './unpacked-servers.ts';

export interface Postfix {
  readonly port: number;
  /** What arrived, as it is on disk. */
  mails(): Promise<string[]>;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const MASTER = 'usr/lib/postfix/sbin/master';
const ROOTS = ['/', UNPACKED];
const OWNER = 'games';
const GROUP = 'audio';
const READY_MS = 60_000;
const QUEUES = [
  ...['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'maildrop', 'private', 'public'],
  ...['saved', 'trace'],
];
const SERVICES = [
  ...['cleanup unix n - n - 0 cleanup', 'qmgr unix n - n 300 1 qmgr', 'rewrite unix - - n - - trivial-rewrite'],
  ...['bounce unix - - n - 0 bounce', 'defer unix - - n - 0 bounce', 'trace unix - - n - 0 bounce'],
  ...[
    'proxymap unix - - n - - proxymap',
    'anvil unix - - n - 1 anvil',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'virtual unix - n n - - virtual',
  ],
  ...['postlog unix-dgram n - n - 1 postlogd'],
];

const root = ROOTS.find((each) => existsSync(join(each, MASTER)));

/** Why it cannot be started here. */
export function whyNoPostfix(): string | undefined {
  return whyNotLoaded('usr/lib/postfix/sbin/smtpd', root);
}

export async function startPostfix(): Promise<Postfix> {
  if (root === undefined) throw new Error(whyNoPostfix());
  const home = await mkdtemp(join(tmpdir(), 'longshore-postfix-'));
  const { base: port, release } = await claimPorts(HOST);
  const mailbox = join(home, 'mail', 'box', 'new');
  await makePlace(home, root, port);
  // Its own group: its services end with it.
  const master = spawn(join(root, MASTER), ['-c', join(home, 'etc'), '-d'], {
    ...{ detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: withLibraries(root) },
  });
  const printed: Buffer[] = [];
  for (const stream of [master.stdout, master.stderr]) stream?.on('data', (data: Buffer) => printed.push(data));
  const stop = async () => {
    await end(master);
    await release();
    await rm(home, { recursive: true, force: true });
  };
  try {
    const isUp = async () => master.exitCode !== null || (await greets(port));
    await waitUntil('postfix greets', isUp, { timeoutMs: READY_MS });
    if (master.exitCode !== null) throw new Error('postfix ended');
  } catch (error) {
    const log = await readFile(join(home, 'log'), 'utf8').catch(() => '');
    await stop();
    throw new Error(`postfix does not greet: ${Buffer.concat(printed)}${log}`, { cause: error });
  }
  return {
    port,
    stop,
    async mails() {
      const names = await readdir(mailbox).catch(() => []);
      return await Promise.all(names.sort().map((name) => readFile(join(mailbox, name), 'utf8')));
    },
  };
}

async function makePlace(home: string, at: string, port: number): Promise<void> {
  const idOf = (...args: string[]) => Number(spawnSync('id', args, { encoding: 'utf8' }).stdout);
  const [uid, gid] = [idOf('-u', OWNER), idOf('-g', OWNER)];
  const queue = join(home, 'queue');
  await chmod(home, 0o755);
  for (const name of ['etc', 'queue', 'queue/pid']) await mkdir(join(home, name));
  const owned = [...QUEUES.map((name) => join(queue, name)), join(home, 'data'), join(home, 'mail')];
  for (const path of owned) {
    await mkdir(path);
    await chown(path, uid, gid);
  }
  const settings = {
    ...{ compatibility_level: '3.6', inet_interfaces: HOST, inet_protocols: 'ipv4', myhostname: 'mx.example.com' },
    ...{ queue_directory: queue, data_directory: join(home, 'data'), command_directory: join(at, 'usr/sbin') },
    ...{ daemon_directory: join(at, 'usr/lib/postfix/sbin'), shlib_directory: join(at, 'usr/lib/postfix') },
    ...{ meta_directory: join(home, 'etc'), mail_owner: OWNER, setgid_group: GROUP, mydestination: '', alias_maps: '' },
    ...{ mynetworks: '127.0.0.0/8', smtpd_relay_restrictions: 'reject_unauth_destination', smtputf8_enable: 'no' },
    ...{ virtual_mailbox_domains: 'example.com', virtual_mailbox_base: join(home, 'mail') },
    ...{ virtual_mailbox_maps: 'static:box/', virtual_uid_maps: `static:${uid}`, virtual_gid_maps: `static:${gid}` },
    ...{ virtual_minimum_uid: '1', maillog_file: join(home, 'log'), maillog_file_prefixes: home },
    import_environment: 'MAIL_CONFIG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  await writeFile(join(home, 'etc', 'main.cf'), lines.join(''));
  const services = [`${HOST}:${port} inet n - n - - smtpd`, ...SERVICES];
  await writeFile(join(home, 'etc', 'master.cf'), `${services.join('\n')}\n`);
}

async function end(master: ChildProcess): Promise<void> {
  const { pid } = master;
  if (pid === undefined || master.exitCode !== null || master.signalCode !== null) return;
  const ended = once(master, 'exit');
  process.kill(-pid, 'SIGKILL');
  await ended;
}

async function greets(port: number): Promise<boolean> {
  const socket = createConnection({ host: HOST, port });
  try {
    const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
    return data.toString().startsWith('220 ');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
