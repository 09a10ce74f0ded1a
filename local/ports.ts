/** Every port of the one-machine stack, as one base and offsets, so that two homes are side by side. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { LongshoreError } from '#shared/errors.ts';

/** Offsets are stable: people keep them in bookmarks and client configurations. */
export const PORT_OFFSETS = {
  api: 0,
  sftp: 1,
  s3: 2,
  queues: 3,
  postgres: 4,
  /** Health and metrics of the front door, whose own port speaks SSH. */
  'sftp-metrics': 5,
  'event-bridge': 6,
  /** The partner of the examples, and the API gateway before it. */
  'partner-simulator': 7,
  gateway: 8,
  /** The partner of the examples whose files are fetched: SFTP, FTPS with its data connections, and health. */
  'partner-files-sftp': 9,
  ingestor: 10,
  router: 11,
  'partner-worker': 12,
  'large-file-worker': 13,
  'retry-sweeper': 14,
  /** Health and metrics; the API itself listens on `api`. */
  'control-api': 15,
  'partner-files-ftps': 16,
  'partner-files-passive-1': 17,
  'partner-files-passive-2': 18,
  'partner-files': 19,
  /** The mail service, with its inbox. */
  ses: 26,
  /** The virus scanner, and its health. */
  'clamd-stream': 27,
  clamd: 28,
} as const;

/** The second partner-worker has the offset 22, the third 32: further instances of a service are in their own rows. */
export const PORTS_PER_INSTANCE = 10;

export type PortName = keyof typeof PORT_OFFSETS;
export type Ports = Readonly<Record<PortName, number>>;

const PORT_NAMES = Object.keys(PORT_OFFSETS) as PortName[];
export const HIGHEST_OFFSET = Math.max(...Object.values(PORT_OFFSETS));

export function portsFrom(base: number): Ports {
  return Object.fromEntries(PORT_NAMES.map((name) => [name, base + PORT_OFFSETS[name]])) as Ports;
}

/** What is asked for with `free` is in blocks, so that no two fleets overlap, whatever instances they start. */
export const PORTS_PER_BLOCK = 100;
const BLOCKS = { from: 10_000, to: 32_000 };
/** Linux says from where on it gives ports to clients, which may take one between the look and the use. */
const CLIENT_PORTS_FILE = '/proc/sys/net/ipv4/ip_local_port_range';

export interface PortClaim {
  readonly base: number;
  /** It ends with this process in any case. */
  release(): Promise<void>;
}

/**
 * A base whose block of ports is free now, and that no other process on this machine is given until it is released: the claim is a
 * socket that listens on the last port of the block, which the system closes however the process ends.
 *
 * @throws LongshoreError `PORT_IN_USE`
 */
export async function claimPorts(host = '127.0.0.1'): Promise<PortClaim> {
  const bases = await blockBases();
  const start = randomInt(bases.length);
  for (const base of [...bases.slice(start), ...bases.slice(0, start)]) {
    const claim = await listen(host, base + PORTS_PER_BLOCK - 1).catch(() => undefined);
    if (claim === undefined) continue;
    const others = Array.from({ length: PORTS_PER_BLOCK - 1 }, (_, offset) => base + offset);
    const looks = await Promise.allSettled(others.map(async (port) => (await listen(host, port)).close()));
    if (looks.every(({ status }) => status === 'fulfilled')) return { base, release: claim.close };
    await claim.close();
  }
  throw new LongshoreError('PORT_IN_USE', 'No block of free ports was found on this machine.');
}

/** Those below the clients' ports; all when the clients' begin below. */
async function blockBases(): Promise<number[]> {
  const [lowest = ''] = (await readFile(CLIENT_PORTS_FILE, 'utf8').catch(() => '')).trim().split(/\s+/);
  const all = Array.from(
    { length: (BLOCKS.to - BLOCKS.from) / PORTS_PER_BLOCK },
    (_, index) => BLOCKS.from + index * PORTS_PER_BLOCK,
  );
  const below = all.filter((base) => base + PORTS_PER_BLOCK <= Number(lowest));
  return below.length > 0 ? below : all;
}

/** For a server that tries again with another when somebody else has taken it meanwhile. */
export async function findFreePort(host = '127.0.0.1'): Promise<number> {
  const held = await listen(host, 0);
  await held.close();
  return held.port;
}

/** @throws LongshoreError `PORT_IN_USE`, or `CONFIG_INVALID` when this user may not listen there. */
export async function assertPortFree(options: { host: string; port: number; purpose: string }): Promise<void> {
  try {
    await (await listen(options.host, options.port)).close();
  } catch (cause) {
    const where = `port ${options.port} of ${options.host}, which ${options.purpose} needs`;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new LongshoreError(
        'PORT_IN_USE',
        `Another process listens on ${where}: stop it, or choose other ports with LONGSHORE_PORT_BASE.`,
        { cause },
      );
    }
    throw new LongshoreError(
      'CONFIG_INVALID',
      `This user cannot listen on ${where} (${String(code)}): choose other ports with LONGSHORE_PORT_BASE.`,
      { cause },
    );
  }
}

async function listen(host: string, port: number): Promise<{ port: number; close(): Promise<void> }> {
  // One that is held must not keep its process alive.
  const server = createServer().unref();
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening socket has an address');
  return {
    port: address.port,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
