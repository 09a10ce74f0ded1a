/** A connection to a remote: by the address guard, in time. The address that was looked at is the one that is connected to. */
import { once } from 'node:events';
import { isIP, connect as netConnect, type OnReadOpts, type Socket } from 'node:net';
import { ADDRESS_REFUSED, type AddressGuard } from '#shared/http/address-guard.ts';
import { RemoteError } from './remote-error.ts';

export interface SocketPlace {
  readonly host: string;
  readonly port: number;
}

export interface ConnectSocketOptions {
  readonly guard: AddressGuard;
  readonly signal: AbortSignal;
  /** Who reads into its own buffer gets no `data` events. */
  readonly onread?: OnReadOpts | undefined;
}

/** An FTP control connection is silent while a file is under way; routers forget it after some minutes (AWS NAT gateways after 350 s). */
const KEEP_ALIVE_MS = 60_000;

/** @throws RemoteError `address-refused` or `unreachable`. */
export async function connectSocket(
  { host, port }: SocketPlace,
  { guard, signal, onread }: ConnectSocketOptions,
): Promise<Socket> {
  // Node looks up names only: an address would pass by the guard.
  if (isIP(host) !== 0 && !guard.isAllowed(host)) throw addressRefused(host);
  const reading = onread === undefined ? {} : { onread };
  const socket = netConnect({
    ...{ host, port, lookup: guard.lookup, noDelay: true },
    ...{ keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
    ...reading,
  });
  try {
    await once(socket, 'connect', { signal });
    socket.on('error', () => {});
    return socket;
  } catch (cause) {
    socket.on('error', () => {});
    socket.destroy();
    if (hasCode(cause, ADDRESS_REFUSED)) throw addressRefused(host);
    throw new RemoteError('unreachable', `${host}:${port} cannot be reached (${reasonOf(cause, signal)})`);
  }
}

export function addressRefused(host: string): RemoteError {
  return new RemoteError('address-refused', `${host} has an address that may not be called`);
}

export function reasonOf(error: unknown, signal?: AbortSignal): string {
  if (signal?.aborted) return 'timed out';
  if (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^[A-Z0-9_]{2,40}$/.test(error.code)
  )
    return error.code;
  return 'the connection failed';
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
