/** Uploads a directory through the SFTP front door, as a partner's client would: connect, make directories, put. */
import { readdir, readFile } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import ssh2, { type SFTPWrapper } from 'ssh2';
import type { TenantAccess } from '#local/launcher/endpoints.ts';

export interface SendFilesOptions {
  readonly host: string;
  readonly port: number;
  readonly access: TenantAccess;
  /** What is in it goes to the same path in the user's root. */
  readonly directory: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const SEND_TIMEOUT_MS = 60_000;

/** @throws what the connection or the server answered; nothing is sent twice. */
export async function sendFiles({ host, port, access, directory }: SendFilesOptions): Promise<void> {
  const client = new ssh2.Client();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`sending ${directory} took too long`)), SEND_TIMEOUT_MS);
  client.on('error', reject);
  const connected = new Promise<void>((resolve) => client.once('ready', resolve));
  client.connect({
    host,
    port,
    username: access.sftpUser,
    privateKey: await readFile(access.privateKeyFile),
    readyTimeout: CONNECT_TIMEOUT_MS,
  });
  try {
    await Promise.race([failed, connected.then(() => sendAll(client, directory))]);
  } finally {
    clearTimeout(timer);
    client.end();
  }
}

async function sendAll(client: ssh2.Client, directory: string): Promise<void> {
  const sftp = await call<SFTPWrapper>((done) => client.sftp(done));
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const made = new Set(['.', '']);
  for (const entry of entries.filter((each) => each.isFile())) {
    const source = join(entry.parentPath, entry.name);
    const target = relative(directory, source).split(sep).join(posix.sep);
    await makeDirectories(sftp, posix.dirname(target), made);
    await call<void>((done) => sftp.fastPut(source, `/${target}`, done));
  }
}

async function makeDirectories(sftp: SFTPWrapper, path: string, made: Set<string>): Promise<void> {
  if (made.has(path)) return;
  await makeDirectories(sftp, posix.dirname(path), made);
  made.add(path);
  // One that is there already is refused, which is as good; one that cannot be made shows with the first file in it.
  await call<void>((done) => sftp.mkdir(`/${path}`, done)).catch(() => {});
}

function call<Result>(start: (done: (error?: Error | null, result?: Result) => void) => void): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  start((error, result) => (error ? reject(error) : resolve(result as Result)));
  return promise;
}
