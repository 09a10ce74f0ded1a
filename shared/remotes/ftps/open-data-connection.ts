/**
 * A data connection: EPSV, else PASV, of whose answer the port alone counts. It goes to the address that the control connection was allowed to
 * have, and must show the same certificate, or resume its session.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { FTPContext, FTPResponse } from 'basic-ftp';
import { FTPError } from 'basic-ftp';
import { RemoteError } from '../remote-error.ts';
import type { DataReader } from './read-data.ts';
import type { Trust } from './trust-certificate.ts';

const NOT_IMPLEMENTED = new Set([500, 501, 502, 503, 504, 522, 550]);
/** Contexts whose server has no EPSV. */
const withoutEpsv = new WeakSet<FTPContext>();
const readers = new WeakMap<FTPContext, DataReader>();
/** How long a reply may take after the data connection that it ends. */
const REPLY_MS = 1_000;
/** How long a server may take for the ticket that it need not give. */
const TICKET_MS = 500;
const ticketed = new WeakMap<object, Promise<void>>();

export async function openDataConnection(ftp: FTPContext, trust: Trust): Promise<FTPResponse> {
  const { reply, port } = await askForPort(ftp);
  const host = (ftp.socket as TLSSocket).remoteAddress;
  if (host === undefined) throw new RemoteError('lost', 'the connection closed');
  const session = ftp.tlsSessionStore ?? (ftp.socket as TLSSocket).getSession();
  const reader = readers.get(ftp);
  const secured = tlsConnect({
    ...trust.tls,
    ...{ host, port, noDelay: true, timeout: ftp.timeout },
    ...(session !== undefined && { session }),
    ...(reader !== undefined && { onread: reader.onread }),
  });
  if (reader !== undefined) reader.socket = secured;
  const ticket = Promise.withResolvers<void>();
  ticketed.set(secured, ticket.promise);
  secured.once('close', ticket.resolve);
  secured.on('session', (next) => {
    ticket.resolve();
    // Tickets of TLS 1.3 serve once.
    ftp.tlsSessionStore = next;
  });
  secured.once('secureConnect', () => {
    if (!trust.judge(secured).isTrusted)
      secured.destroy(
        new RemoteError('untrusted', 'the data connection shows another certificate than the control connection'),
      );
  });
  try {
    await opened(secured);
  } catch {
    secured.destroy();
    throw new RemoteError('unreachable', `the data connection to port ${port} of the server cannot be opened`);
  }
  secured.setTimeout(0);
  letReplyComeFirst(ftp, secured);
  return reply;
}

/** The next data connection of `ftp` gives what it brings to `reader`; undefined: as a stream. */
export function readNextInto(ftp: FTPContext, reader: DataReader | undefined): void {
  if (reader === undefined) readers.delete(ftp);
  else readers.set(ftp, reader);
}

/**
 * Makes it the data connection. proftpd closes it in the midst of its handshake, and says on the other one that there is no such file: that is
 * what counts.
 */
function letReplyComeFirst(ftp: FTPContext, secured: TLSSocket): void {
  let isOpen = false;
  secured.once('secureConnect', () => {
    isOpen = true;
  });
  const ours = new Map(['error', 'close'].map((event) => [event, secured.listeners(event)]));
  ftp.dataSocket = secured;
  for (const [event, known] of ours) {
    const theirs = secured.listeners(event).filter((listener) => !known.includes(listener));
    for (const listener of theirs) secured.off(event, listener as () => void);
    secured.on(event, async (reason: unknown) => {
      if (!isOpen) await delay(REPLY_MS, undefined, { ref: false });
      if (ftp.dataSocket === secured) for (const listener of theirs) listener.call(secured, reason);
    });
  }
}

/**
 * In TLS 1.3 the client ends the handshake, and what it sends next can be there with it. proftpd takes a file without bytes for a broken
 * handshake then, so its end waits for what the server says last.
 */
export async function handshakeAnswered(socket: object | undefined): Promise<void> {
  if (socket === undefined || (socket as TLSSocket).getProtocol?.() !== 'TLSv1.3') return;
  await Promise.race([ticketed.get(socket), delay(TICKET_MS, undefined, { ref: false })]);
}

async function askForPort(ftp: FTPContext): Promise<{ readonly reply: FTPResponse; readonly port: number }> {
  if (!withoutEpsv.has(ftp)) {
    try {
      const reply = await ftp.request('EPSV');
      const port = Number(/[|!]{3}(\d{1,5})[|!]/.exec(reply.message)?.[1]);
      return { reply, port: checkedPort(port) };
    } catch (error) {
      if (!(error instanceof FTPError) || !NOT_IMPLEMENTED.has(error.code)) throw error;
      withoutEpsv.add(ftp);
    }
  }
  const reply = await ftp.request('PASV');
  const [, high, low] = /\d{1,3},\d{1,3},\d{1,3},\d{1,3},(\d{1,3}),(\d{1,3})/.exec(reply.message) ?? [];
  return { reply, port: checkedPort(Number(high) * 256 + Number(low)) };
}

function checkedPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new RemoteError('protocol', 'the server names no port for the data connection');
}

function opened(socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  socket.once('error', reject);
  socket.once('timeout', () => reject(new Error('timed out')));
  return promise;
}
