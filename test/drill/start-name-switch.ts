/**
 * A name that leads to one of two addresses, as a failover record of a DNS zone: to the first while its health check passes, otherwise to
 * the second. A check is a TCP connection; so many failures in a row turn the name. Connections that are open stay where they are.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface NameSwitch {
  readonly host: string;
  readonly port: number;
  /** Index of the address that the name leads to. */
  readonly target: number;
  /** Whatever the health checks report, as their operator may decide; `undefined` leaves it to them again. */
  pin(index: number | undefined): void;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const CHECK_INTERVAL_MS = 250;
const CHECK_TIMEOUT_MS = 1_000;
const FAILURES = 2;

export async function startNameSwitch(ports: readonly [number, number]): Promise<NameSwitch> {
  const stopping = new AbortController();
  const sockets = new Set<Socket>();
  let checked = 0;
  let pinned: number | undefined;
  let failures = 0;
  const target = () => pinned ?? checked;

  const server = createServer((near) => {
    const far = connect(ports[target()]!, HOST);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, HOST);
  await once(server, 'listening');

  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      const isWell = await answers(ports[0]);
      failures = isWell ? 0 : failures + 1;
      if (isWell) checked = 0;
      else if (failures >= FAILURES) checked = 1;
      await delay(CHECK_INTERVAL_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
  const watching = watch();

  return {
    host: HOST,
    port: (server.address() as AddressInfo).port,
    get target() {
      return target();
    },
    pin(index) {
      pinned = index;
    },
    async stop() {
      stopping.abort();
      await watching;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
