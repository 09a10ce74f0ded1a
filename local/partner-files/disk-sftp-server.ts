/** An SFTP server over a directory, as a partner's is: for the examples and for tests. One user, by password or key. */
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';
import { SFTP_ALGORITHMS } from '#local/sftp/algorithms.ts';

export interface PartnerUser {
  readonly user: string;
  readonly password: string;
  /** What the user sees as `/`. */
  readonly directory: string;
}

export interface DiskServer {
  readonly port: number;
  /** Idempotent. */
  stop(): Promise<void>;
}

const { Server, utils } = ssh2;
const { STATUS_CODE: STATUS } = utils.sftp;
const MOST_READ_BYTES = 262_144;
const ENTRIES_AT_ONCE = 100;

export async function startDiskSftpServer({
  host,
  port,
  hostKey,
  users,
  onLogin,
}: {
  readonly host: string;
  readonly port: number;
  readonly hostKey: string;
  readonly users: readonly PartnerUser[];
  readonly onLogin?: ((attempt: { readonly user: string; readonly isAccepted: boolean }) => void) | undefined;
}): Promise<DiskServer> {
  const clients = new Set<ssh2.Connection>();
  const server = new Server({ hostKeys: [hostKey], algorithms: SFTP_ALGORITHMS as never }, (client) => {
    clients.add(client);
    let directory = '';
    client.on('error', () => {});
    client.on('close', () => clients.delete(client));
    client.on('authentication', (context) => {
      if (context.method === 'none') return context.reject(['password']);
      const known = users.find(({ user }) => user === context.username);
      const isAccepted =
        context.method === 'password' && known !== undefined && isSame(context.password, known.password);
      if (context.method === 'password') onLogin?.({ user: context.username, isAccepted });
      if (!isAccepted) return context.reject(['password']);
      directory = known.directory;
      context.accept();
    });
    client.on('session', (accept) => {
      accept().on('sftp', (acceptChannel) => serve(acceptChannel(), directory));
    });
  });
  server.on('error', () => {});
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    async stop() {
      server.close();
      for (const client of clients) client.end();
    },
  };
}

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}

type Opened =
  | { readonly kind: 'file'; readonly file: FileHandle }
  | { readonly kind: 'directory'; readonly path: string; names?: string[] };

function serve(sftp: SFTPWrapper, root: string): void {
  const opened = new Map<number, Opened>();
  let next = 0;
  // Never above the root: `..` is taken away first.
  const place = (path: string): string => join(root, posix.normalize(`/${path}`));

  function answer(requestId: number, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      const code = (error as NodeJS.ErrnoException).code;
      sftp.status(
        requestId,
        code === 'ENOENT'
          ? STATUS.NO_SUCH_FILE
          : code === 'EACCES' || code === 'EPERM'
            ? STATUS.PERMISSION_DENIED
            : STATUS.FAILURE,
      );
    });
  }
  function handleOf(entry: Opened): Buffer {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(next);
    opened.set(next, entry);
    next += 1;
    return handle;
  }
  const find = (handle: Buffer): Opened | undefined =>
    handle.length === 4 ? opened.get(handle.readUInt32BE(0)) : undefined;
  const fileOf = (handle: Buffer): FileHandle => {
    const entry = find(handle);
    if (entry?.kind !== 'file') throw new Error('no such handle');
    return entry.file;
  };
  const describe = async (path: string): Promise<Attributes> => attributesOf(await stat(place(path)));

  sftp.on('OPEN', (id, path, flags) =>
    answer(id, async () => {
      const text = utils.sftp.flagsToString(flags) ?? 'r';
      sftp.handle(id, handleOf({ kind: 'file', file: await open(place(path), text) }));
    }),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    answer(id, async () => {
      const buffer = Buffer.alloc(Math.min(length, MOST_READ_BYTES));
      const { bytesRead } = await fileOf(handle).read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) return sftp.status(id, STATUS.EOF);
      sftp.data(id, buffer.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (id, handle, offset, data) =>
    answer(id, async () => {
      await fileOf(handle).write(data, 0, data.length, offset);
      sftp.status(id, STATUS.OK);
    }),
  );
  sftp.on('FSTAT', (id, handle) => answer(id, async () => sftp.attrs(id, attributesOf(await fileOf(handle).stat()))));
  for (const name of ['STAT', 'LSTAT'] as const)
    sftp.on(name, (id: number, path: string) => answer(id, async () => sftp.attrs(id, await describe(path))));
  for (const name of ['SETSTAT', 'FSETSTAT'] as const) sftp.on(name, (id: number) => sftp.status(id, STATUS.OK));
  sftp.on('OPENDIR', (id, path) =>
    answer(id, async () => {
      if (!(await stat(place(path))).isDirectory()) return sftp.status(id, STATUS.FAILURE);
      sftp.handle(id, handleOf({ kind: 'directory', path }));
    }),
  );
  sftp.on('READDIR', (id, handle) =>
    answer(id, async () => {
      const entry = find(handle);
      if (entry?.kind !== 'directory') throw new Error('no such handle');
      entry.names ??= await readdir(place(entry.path));
      const page = entry.names.splice(0, ENTRIES_AT_ONCE);
      if (page.length === 0) return sftp.status(id, STATUS.EOF);
      const entries = await Promise.all(
        page.map(async (name) => ({ filename: name, longname: name, attrs: await describe(`${entry.path}/${name}`) })),
      );
      sftp.name(id, entries);
    }),
  );
  sftp.on('CLOSE', (id, handle) =>
    answer(id, async () => {
      const entry = find(handle);
      opened.delete(handle.readUInt32BE(0));
      if (entry?.kind === 'file') await entry.file.close();
      sftp.status(id, STATUS.OK);
    }),
  );
  sftp.on('REMOVE', (id, path) =>
    answer(id, async () => {
      await rm(place(path));
      sftp.status(id, STATUS.OK);
    }),
  );
  sftp.on('RENAME', (id, from, to) =>
    answer(id, async () => {
      // As OpenSSH: an existing name is refused, without a word why.
      if (await exists(place(to))) return sftp.status(id, STATUS.FAILURE);
      await rename(place(from), place(to));
      sftp.status(id, STATUS.OK);
    }),
  );
  sftp.on('MKDIR', (id, path) =>
    answer(id, async () => {
      await mkdir(place(path));
      sftp.status(id, STATUS.OK);
    }),
  );
  sftp.on('RMDIR', (id, path) =>
    answer(id, async () => {
      await rmdir(place(path));
      sftp.status(id, STATUS.OK);
    }),
  );
  sftp.on('REALPATH', (id, path) => {
    const filename = posix.normalize(`/${path}`);
    sftp.name(id, [{ filename, longname: filename, attrs: { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 } }]);
  });
  const end = (): void => {
    for (const entry of opened.values()) if (entry.kind === 'file') void entry.file.close().catch(() => {});
    opened.clear();
  };
  sftp.on('end', () => {
    end();
    sftp.end();
  });
  sftp.on('close', end);
  sftp.on('error', end);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function attributesOf(facts: Awaited<ReturnType<typeof stat>>): Attributes {
  const { mode, uid, gid, size, atimeMs, mtimeMs } = facts;
  const seconds = (ms: number | bigint): number => Math.floor(Number(ms) / 1_000);
  return {
    mode: Number(mode),
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    atime: seconds(atimeMs),
    mtime: seconds(mtimeMs),
  };
}
