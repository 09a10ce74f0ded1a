/** A partner's SFTP client over ssh2: connected, with the few calls that tests make as promises. */
import { readFile } from 'node:fs/promises';
import ssh2, { type SFTPWrapper } from 'ssh2';
import type { Endpoints, TenantAccess } from '#local/launcher/endpoints.ts';

export interface SftpClient {
  /** Absolute paths; the directory has to be there. */
  put(path: string, body: Uint8Array): Promise<void>;
  get(path: string): Promise<Buffer>;
  /** A directory that is there already is as good. */
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Writes the beginning of a file and cuts the connection without closing it; the client is of no use afterwards. */
  cutOff(path: string, beginning: Uint8Array): Promise<void>;
  close(): void;
}

const CONNECT_TIMEOUT_MS = 60_000;
const CALL_TIMEOUT_MS = 60_000;

export async function connectSftp(
  server: Endpoints['sftp'],
  access: TenantAccess,
  callTimeoutMs = CALL_TIMEOUT_MS,
): Promise<SftpClient> {
  const client = new ssh2.Client();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  client.on('error', reject);
  client.on('close', () => reject(new Error('the SFTP server closed the connection')));
  const ready = new Promise<void>((resolve) => client.once('ready', resolve));
  client.connect({
    ...server,
    username: access.sftpUser,
    privateKey: await readFile(access.privateKeyFile),
    readyTimeout: CONNECT_TIMEOUT_MS,
  });
  await Promise.race([ready, failed]);
  client.setNoDelay(true);

  function call<Value>(start: (done: (error?: Error | null, value?: Value) => void) => void): Promise<Value> {
    const { promise, resolve, reject: fail } = Promise.withResolvers<Value>();
    const timer = setTimeout(() => fail(new Error('the SFTP server did not answer in time')), callTimeoutMs);
    start((error, value) => (error ? fail(error) : resolve(value as Value)));
    return Promise.race([promise, failed]).finally(() => clearTimeout(timer));
  }

  const sftp = await call<SFTPWrapper>((done) => client.sftp(done));
  sftp.on('error', () => undefined);

  return {
    put: (path, body) => call<void>((done) => sftp.writeFile(path, Buffer.from(body), done)),
    get: (path) => call<Buffer>((done) => sftp.readFile(path, done)),
    makeDirectory: (path) =>
      call<void>((done) => sftp.mkdir(path, done)).catch(async (error: unknown) => {
        const there = await call<ssh2.Stats>((done) => sftp.stat(path, done)).catch(() => undefined);
        if (there?.isDirectory() !== true) throw error;
      }),
    rename: (from, to) => call<void>((done) => sftp.rename(from, to, done)),
    cutOff: async (path, beginning) => {
      const handle = await call<Buffer>((done) => sftp.open(path, 'w', done));
      await call<void>((done) => sftp.write(handle, Buffer.from(beginning), 0, beginning.length, 0, done));
      client.destroy();
    },
    close: () => {
      client.end();
    },
  };
}
