/** An FTPS server (explicit TLS) over a directory, as a partner's is: for the examples and for tests. */
import { timingSafeEqual } from 'node:crypto';
import { FtpSrv } from 'ftp-srv';
import type { DiskServer, PartnerUser } from './disk-sftp-server.ts';

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

function isSame(given: string, expected: string): boolean {
  const [left, right] = [Buffer.from(given), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}
