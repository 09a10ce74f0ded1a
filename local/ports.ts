/** Every port of the one-machine stack, as one base and offsets, so that two homes stand side by side. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
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
  ingestor: 10,
  router: 11,
  'partner-worker': 12,
  'large-file-worker': 13,
  'retry-sweeper': 14,
  /** Health and metrics; the API itself listens on `api`. */
  'control-api': 15,
} as const;

/** The second partner-worker has the offset 22, the third 32: further instances of a service stand in rows of their own. */
export const PORTS_PER_INSTANCE = 10;

export type PortName = keyof typeof PORT_OFFSETS;
export type Ports = Readonly<Record<PortName, number>>;

const PORT_NAMES = Object.keys(PORT_OFFSETS) as PortName[];
export const HIGHEST_OFFSET = Math.max(...Object.values(PORT_OFFSETS));

export function portsFrom(base: number): Ports {
  return Object.fromEntries(PORT_NAMES.map((name) => [name, base + PORT_OFFSETS[name]])) as Ports;
}

/** Below the range from which systems give ports to clients, which may take one between the look and the use. */
const FREE_BASES = { from: 10_000, to: 32_000 };
const FREE_BASE_TRIES = 100;

/** A base whose ports are all free now, for tests and benchmarks. */
export async function findFreeBase(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < FREE_BASE_TRIES; tries += 1) {
    const base = randomInt(FREE_BASES.from, FREE_BASES.to);
    const checks = Object.values(portsFrom(base)).map(async (port) => (await listen(host, port)).close());
    if ((await Promise.allSettled(checks)).every(({ status }) => status === 'fulfilled')) return base;
  }
  throw new LongshoreError('PORT_IN_USE', 'No run of free ports was found on this machine.');
}

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
  const server = createServer();
  server.listen({ host, port });
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
