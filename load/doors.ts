/**
 * Ways to send files: over SFTP with ssh2 and, where it is installed, OpenSSH's `sftp`; or straight to S3.
 *
 * 1. Of the steady stream over SFTP one file in twelve, and of a burst every second connection, is OpenSSH's own.
 * 2. A put is timed from when a client begins it. Over a connection of OpenSSH that is the beginning of its whole batch.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { isOpensshInstalled, quoted, runOpensshBatch } from '#testkit/servers/openssh-sftp.ts';
import { connectSftp, type SftpClient } from '#testkit/servers/sftp-client.ts';
import type { LoadTarget } from './target.ts';

export interface Put {
  /** Below the tenant's own directory. */
  readonly path: string;
  readonly atMs: number;
  readonly refusal?: string;
}

export interface Door {
  readonly clients: readonly string[];
  /** One of a steady stream. */
  put(path: string, index: number): Promise<Put[]>;
  /** All at once. */
  putAll(paths: readonly string[]): Promise<Put[]>;
  close(): Promise<void>;
}

const STEADY_CONNECTIONS = 4;
const BURST_CONNECTIONS = 20;
const OPENSSH_EVERY = 12;
const PUT_TIMEOUT_MS = 300_000;
const S3_AT_ONCE = 50;

export async function openSftpDoor({ sftp }: LoadTarget, body: Buffer): Promise<Door> {
  if (sftp === undefined) throw new Error('the target has no sftp');
  const { access, ...server } = sftp;
  const isOpenssh = isOpensshInstalled();
  const directory = await mkdtemp(join(tmpdir(), 'longshore-load-file-'));
  const bodyFile = join(directory, 'body');
  await writeFile(bodyFile, body);
  const made = new Set<string>();
  const steady = await connect(STEADY_CONNECTIONS);

  async function connect(count: number): Promise<SftpClient[]> {
    const clients: SftpClient[] = [];
    try {
      for (let index = 0; index < count; index += 1) clients.push(await connectSftp(server, access, PUT_TIMEOUT_MS));
      return clients;
    } catch (error) {
      for (const client of clients) client.close();
      throw error;
    }
  }

  async function makeDirectories(paths: readonly string[]): Promise<void> {
    const wanted = new Set(paths.flatMap((path) => ancestorsOf(path)));
    for (const each of [...wanted].filter((path) => !made.has(path)).sort()) {
      await steady[0]?.makeDirectory(each);
      made.add(each);
    }
  }

  async function bySsh2(client: SftpClient, paths: readonly string[]): Promise<Put[]> {
    return await Promise.all(paths.map((path) => attempt(path, () => client.put(`/${path}`, body))));
  }

  /** One after the other, as `sftp` does. A batch that breaks off counts as refused as a whole. */
  async function byOpenssh(paths: readonly string[]): Promise<Put[]> {
    const lines = paths.map((path) => `put ${quoted(bodyFile)} ${quoted(`/${path}`)}`);
    const [put] = await Promise.all([
      attempt(paths[0] ?? '', () => runOpensshBatch(server, access, lines, PUT_TIMEOUT_MS)),
    ]);
    return paths.map((path) => ({ ...put, path }));
  }

  return {
    clients: isOpenssh ? ['ssh2', 'OpenSSH sftp'] : ['ssh2 (OpenSSH sftp is not installed: skipped)'],
    async put(path, index) {
      await makeDirectories([path]);
      if (isOpenssh && index % OPENSSH_EVERY === 0) return await byOpenssh([path]);
      return await bySsh2(steady[index % steady.length] as SftpClient, [path]);
    },
    async putAll(paths) {
      await makeDirectories(paths);
      const opensshCount = isOpenssh ? BURST_CONNECTIONS / 2 : 0;
      const clients = await connect(BURST_CONNECTIONS - opensshCount);
      try {
        const shares = Array.from({ length: BURST_CONNECTIONS }, (_, share) =>
          paths.filter((_path, index) => index % BURST_CONNECTIONS === share),
        ).filter((share) => share.length > 0);
        const puts = shares.map((share, index) => {
          const client = clients[index];
          return client === undefined ? byOpenssh(share) : bySsh2(client, share);
        });
        return (await Promise.all(puts)).flat();
      } finally {
        for (const client of clients) client.close();
      }
    },
    async close() {
      for (const client of steady) client.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function openS3Door({ tenant, s3 }: LoadTarget, body: Buffer): Promise<Door> {
  if (s3 === undefined) throw new Error('the target has no s3');
  const limit = pLimit(S3_AT_ONCE);
  const put = (path: string) =>
    limit(() =>
      attempt(path, () =>
        s3.client.send(new PutObjectCommand({ Bucket: s3.landing, Key: `${tenant}/${path}`, Body: body })),
      ),
    );
  return {
    clients: ['S3 PutObject'],
    put: async (path) => [await put(path)],
    putAll: (paths) => Promise.all(paths.map(put)),
    close: async () => undefined,
  };
}

async function attempt(path: string, send: () => Promise<unknown>): Promise<Put> {
  const put = { path, atMs: Date.now() };
  return await send().then(
    () => put,
    (error: unknown) => ({ ...put, refusal: String(error) }),
  );
}

/** `/inbound`, `/inbound/one` of `inbound/one/a.csv`. */
function ancestorsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [] : [...ancestorsOf(parent), `/${parent}`];
}
