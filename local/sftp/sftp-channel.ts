/**
 * One SFTP channel: each request becomes one operation and one reply.
 *
 * 1. Whatever an operation throws is a status; nothing that a client sends ends the process, or anything but its connection.
 * 2. Requests run side by side within bounds; a file's writes keep their order, its CLOSE comes after them, and requests about one
 *    path keep theirs.
 * 3. When the channel ends, requests under way are finished first, then every upload still open is cut off and reported.
 */
import pLimit from 'p-limit';
import type { Attributes, SFTPWrapper } from 'ssh2';
import { POSIX_RENAME, parsePosixRename } from './extended-request.ts';
import { createOpenHandles } from './open-handles.ts';
import { createOperations, type Reply } from './operations.ts';
import { createPathOrder } from './path-order.ts';
import type { SessionContext } from './session-context.ts';
import { cutOffUpload } from './settle-upload.ts';
import { SFTP_STATUS, SftpFault } from './sftp-fault.ts';

export interface SftpChannel {
  /** Nothing is open and no request is under way. */
  readonly isIdle: boolean;
  /** Idempotent; resolves when nothing of the channel is open any more. Never rejects. */
  end(): Promise<void>;
}

/** Requests to the object store at once, for one channel. */
const MAX_CONCURRENT_OPERATIONS = 16;

export function serveSftpChannel(sftp: SFTPWrapper, context: SessionContext): SftpChannel {
  const { limits, metrics, logger, flow } = context;
  const limit = pLimit(MAX_CONCURRENT_OPERATIONS);
  const handles = createOpenHandles(limits);
  const operations = createOperations(context, handles, limit);
  const order = createPathOrder();
  const underWay = new Set<Promise<void>>();
  let ended: Promise<void> | undefined;

  function serve(operation: string, requestId: number, work: () => Promise<Reply>): void {
    if (ended !== undefined) return;
    context.touch();
    if (underWay.size >= limits.maxPendingRequests) {
      metrics.refusedConnections.inc({ reason: 'pending-requests' });
      context.disconnect();
      return;
    }
    const served = work().then(
      (reply) => {
        metrics.requests.inc({ operation, code: 'ok' });
        send(requestId, reply);
      },
      (error: unknown) => refuse(operation, requestId, error),
    );
    underWay.add(served);
    void served.finally(() => underWay.delete(served));
  }

  /** For what goes to the object store, and for replies that wait for room. Writes do not: they are in order already, and bounded by the connection's flow. */
  function serveLimited(operation: string, requestId: number, work: () => Promise<Reply>): void {
    serve(operation, requestId, () => limit(work));
  }

  /** As `serveLimited`, in its turn among the requests about these paths: what waits for one has no place that the other needs. */
  function serveInTurn(
    operation: string,
    requestId: number,
    paths: readonly string[],
    work: () => Promise<Reply>,
  ): void {
    serve(operation, requestId, async () => order.inTurn(paths.map(canonical), () => limit(work)));
  }

  function canonical(path: string): string {
    return context.root.locate(path).path;
  }

  function send(requestId: number, reply: Reply): void {
    switch (reply.kind) {
      case 'ok':
        sftp.status(requestId, SFTP_STATUS.ok);
        break;
      case 'end-of-file':
        sftp.status(requestId, SFTP_STATUS.endOfFile);
        break;
      case 'handle':
        sftp.handle(requestId, reply.id);
        break;
      case 'data':
        sftp.data(requestId, reply.bytes);
        break;
      case 'names':
        sftp.name(requestId, reply.entries);
        break;
      case 'attributes':
        sftp.attrs(requestId, reply.attributes);
    }
  }

  function refuse(operation: string, requestId: number, error: unknown): void {
    const fault =
      error instanceof SftpFault
        ? error
        : new SftpFault(SFTP_STATUS.failure, 'INTERNAL', 'the request failed; report it with the time.');
    metrics.requests.inc({ operation, code: fault.code });
    const isOurs = fault.code === 'INTERNAL' || fault.code === 'DEPENDENCY_UNAVAILABLE';
    if (isOurs) logger.error({ err: fault.code === 'INTERNAL' ? error : fault.cause, operation }, 'request failed');
    else if (fault.code !== 'FILE_NOT_FOUND') logger.warn({ operation, reason: fault.message }, 'request refused');
    sftp.status(requestId, fault.status, fault.message);
  }

  async function finish(): Promise<void> {
    handles.refuseWaiting();
    await Promise.allSettled(underWay);
    const open = handles.takeAll().filter((handle) => handle.kind === 'upload');
    await Promise.all(open.map((handle) => cutOffUpload(context, handle)));
    sendExitStatus(sftp, open.length === 0 ? 0 : 1);
    sftp.end();
  }

  function end(): Promise<void> {
    ended ??= finish();
    return ended;
  }

  const { open, read, write, close, stat } = operations;
  // What waits for a free handle holds none of the requests that the handles in use need.
  sftp.on('OPEN', (id, path, flags) =>
    serve('open', id, async () => order.inTurn([canonical(path)], () => open(path, flags))),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    serveLimited('read', id, async () => {
      await flow.roomToSend(sftp);
      return read(handle, offset, length);
    }),
  );
  sftp.on('WRITE', (id, handle, offset, data) => serve('write', id, () => write(handle, offset, data)));
  sftp.on('CLOSE', (id, handle) =>
    serve('close', id, async () => order.atOnce(handles.get(handle).location.path, () => close(handle))),
  );
  sftp.on('OPENDIR', (id, path) => serve('opendir', id, () => operations.openDirectory(path)));
  sftp.on('READDIR', (id, handle) =>
    serveLimited('readdir', id, async () => {
      await flow.roomToSend(sftp);
      return operations.readDirectory(handle);
    }),
  );
  sftp.on('STAT', (id, path) => serveInTurn('stat', id, [path], () => stat(path)));
  sftp.on('LSTAT', (id, path) => serveInTurn('stat', id, [path], () => stat(path)));
  sftp.on('FSTAT', (id, handle) => serve('stat', id, () => operations.statHandle(handle)));
  sftp.on('SETSTAT', (id, path, attrs: Attributes) => serve('setstat', id, () => operations.setStat(path, attrs)));
  sftp.on('FSETSTAT', (id, handle, attrs) => serve('setstat', id, () => operations.setStatHandle(handle, attrs)));
  sftp.on('REALPATH', (id, path) => serve('realpath', id, () => operations.realPath(path)));
  sftp.on('MKDIR', (id, path) => serveLimited('mkdir', id, () => operations.makeDirectory(path)));
  sftp.on('RMDIR', (id, path) => serveLimited('rmdir', id, () => operations.removeDirectory(path)));
  sftp.on('REMOVE', (id, path) => serveInTurn('remove', id, [path], () => operations.remove(path)));
  sftp.on('RENAME', (id, from, to) => serveInTurn('rename', id, [from, to], () => operations.rename(from, to)));
  sftp.on('READLINK', (id) => serve('readlink', id, operations.refuseLink));
  sftp.on('SYMLINK', (id) => serve('symlink', id, operations.refuseLink));
  sftp.on('EXTENDED', (id, name, data) => {
    const names = name === POSIX_RENAME ? parsePosixRename(data) : undefined;
    const paths = names === undefined ? [] : [names.from, names.to];
    serveInTurn('extended', id, paths, () => operations.extended(name, data));
  });

  sftp.on('error', (error: Error) => {
    logger.warn({ reason: error.message }, 'malformed SFTP packet');
    context.disconnect();
  });
  // Without the answer of `sftp.end()` the OpenSSH client hangs at its exit.
  sftp.on('end', () => void end());
  sftp.on('close', () => void end());
  return {
    get isIdle() {
      return underWay.size === 0 && handles.isEmpty;
    },
    end,
  };
}

/** `scp` takes a channel that ends without one for a failure. ssh2 has it for commands alone, and not in its types. */
function sendExitStatus(sftp: SFTPWrapper, status: number): void {
  const { outgoing, _protocol: protocol } = sftp as unknown as {
    readonly outgoing: { readonly id: number; readonly state: string };
    readonly _protocol: { exitStatus(channel: number, status: number): void };
  };
  if (outgoing.state === 'open' || outgoing.state === 'eof') protocol.exitStatus(outgoing.id, status);
}
