/** An FTPS server (explicit TLS) over a directory, as a partner's is: for the examples and for tests. */
import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { FtpSrv } from 'ftp-srv';
import type { DiskServer, PartnerUser } from './disk-sftp-server.ts';

/** The reply to AUTH (RFC 4217, 4). */
const TLS_BEGINS = 234;

export async function startDiskFtpsServer({
  host,
  port,
  passivePorts,
  key,
  certificate,
  users,
  onLogin,
}: {
  readonly host: string;
  readonly port: number;
  readonly passivePorts: { readonly first: number; readonly last: number };
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
  readonly users: readonly PartnerUser[];
  readonly onLogin?: ((attempt: { readonly user: string; readonly isAccepted: boolean }) => void) | undefined;
}): Promise<DiskServer> {
  const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, fatal() {}, child: () => silent };
  const server = new FtpSrv({
    url: `ftp://${host}:${port}`,
    tls: { key, cert: certificate } as never,
    pasv_url: host,
    pasv_min: passivePorts.first,
    pasv_max: passivePorts.last,
    anonymous: false,
    greeting: ['Partner files'],
    log: silent as never,
  });
  server.on('login', ({ connection, username, password }, resolve, reject) => {
    const isSecure = (connection as unknown as { secure: boolean }).secure;
    const known = users.find(({ user }) => user === username);
    const isAccepted = isSecure && known !== undefined && isSame(password, known.password);
    onLogin?.({ user: username, isAccepted });
    if (isAccepted) resolve({ root: known.directory });
    else reject(new Error('not accepted'));
  });
  (server as unknown as NodeJS.EventEmitter).on('connect', ({ connection }) => keepHandshake(connection));
  server.on('client-error', () => {});
  (server as unknown as NodeJS.EventEmitter).on('server-error', () => {});
  await server.listen();
  const address = (server as unknown as { server: { address(): { port: number } } }).server.address();
  return {
    port: address.port,
    async stop() {
      await server.close();
    },
  };
}

interface ServedConnection {
  readonly commandSocket: Socket;
  reply(options: unknown, ...letters: unknown[]): PromiseLike<unknown>;
}

/** ftp-srv sets up TLS some ticks after its reply to AUTH: a handshake that came first would be commands, and their replies in the clear. */
function keepHandshake(connection: ServedConnection): void {
  const reply = connection.reply.bind(connection);
  connection.reply = (options, ...letters) => {
    if (options !== TLS_BEGINS) return reply(options, ...letters);
    connection.commandSocket.write(`${TLS_BEGINS} TLS begins\r\n`);
    // biome-ignore lint/suspicious/noThenProperty: a promise would wait for a tick.
    return { then: async (setUp) => await setUp?.(undefined) } as PromiseLike<unknown>;
  };
}

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
