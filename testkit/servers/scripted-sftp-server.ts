/** An SFTP server that answers as a test says, as faulty servers of partners do. What is not said it answers well. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import ssh2, { type Attributes, type AuthContext, type Connection, type SFTPWrapper } from 'ssh2';
import { SFTP_ALGORITHMS } from '#local/sftp/algorithms.ts';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import type { PartnerFileServer } from './partner-file-servers.ts';

const { Server, utils } = ssh2;
export const { STATUS_CODE: STATUS } = utils.sftp;

export interface SftpRequest {
  readonly id: number;
  /** As ssh2 gives them: of `READ` the handle, the offset and the length. */
  readonly fields: readonly unknown[];
  /** How often this request came, with this one. */
  readonly count: number;
  readonly sftp: SFTPWrapper;
  readonly client: Connection;
}
export type SftpScript = Readonly<Record<string, (request: SftpRequest) => unknown>>;

export interface SftpLogins {
  readonly methods?: readonly string[];
  /** `wait`: no answer. */
  readonly onTry?: (attempt: AuthContext) => 'accept' | 'reject' | 'wait';
  readonly hasSftp?: boolean;
  /** The remote pins the first. */
  readonly hostKeys?: readonly [string, ...string[]];
  /** In place of its own. */
  readonly algorithms?: object;
}

export interface ScriptedSftpServer extends Pick<PartnerFileServer, 'remote' | 'secrets'> {
  /** Names of requests as they came, and `login <method>` for each try to log in. */
  readonly requests: string[];
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
export const SFTP_CONTENT = Buffer.alloc(200_000, 'x');
const HANDLE = Buffer.from('h');

export const attributesOf = (size: number): Attributes => ({
  ...{ mode: 0o100_644, uid: 0, gid: 0, atime: 1, mtime: 1_767_323_045 },
  size,
});

const ok = ({ sftp, id }: SftpRequest): void => sftp.status(id, STATUS.OK);

const GOOD: SftpScript = {
  OPEN: ({ sftp, id }) => sftp.handle(id, HANDLE),
  OPENDIR: ({ sftp, id }) => sftp.handle(id, HANDLE),
  READDIR: ({ sftp, id }) => sftp.status(id, STATUS.EOF),
  STAT: ({ sftp, id }) => sftp.attrs(id, attributesOf(SFTP_CONTENT.length)),
  READ({ sftp, id, fields }) {
    const [, offset, length] = fields as [Buffer, number, number];
    const piece = SFTP_CONTENT.subarray(offset, offset + Math.min(length, 32_768));
    if (piece.length === 0) sftp.status(id, STATUS.EOF);
    else sftp.data(id, piece);
  },
  ...{ WRITE: ok, CLOSE: ok, RENAME: ok, REMOVE: ok },
};
/** Past ssh2, which sends what it knows alone. */
export function sendRaw(sftp: SFTPWrapper, bytes: Buffer): void {
  const { _protocol, outgoing } = sftp as unknown as {
    readonly _protocol: { channelData(channel: number, bytes: Buffer): void };
    readonly outgoing: { readonly id: number };
  };
  _protocol.channelData(outgoing.id, bytes);
}

/** With any code, of whatever version of the protocol. */
export function sendStatus({ sftp, id }: SftpRequest, code: number, text: string): void {
  const packet = Buffer.alloc(4 + 9 + 4 + text.length + 4);
  packet.writeUInt32BE(packet.length - 4, 0);
  packet[4] = 101;
  packet.writeUInt32BE(id, 5);
  packet.writeUInt32BE(code, 9);
  packet.writeUInt32BE(text.length, 13);
  packet.write(text, 17);
  sendRaw(sftp, packet);
}

const REQUESTS = ['OPEN', 'OPENDIR', 'READDIR', 'STAT', 'READ', 'WRITE', 'CLOSE', 'RENAME', 'REMOVE', 'EXTENDED'];

export async function startScriptedSftpServer(
  script: SftpScript,
  {
    methods = ['password'],
    onTry = () => 'accept',
    hasSftp = true,
    hostKeys = [makeSshKey().private],
    algorithms = {},
  }: SftpLogins = {},
): Promise<ScriptedSftpServer> {
  const requests: string[] = [];
  const clients = new Set<Connection>();
  const server = new Server(
    { hostKeys: [...hostKeys], algorithms: { ...SFTP_ALGORITHMS, ...algorithms } as never },
    (client) => {
      clients.add(client);
      client.on('error', () => {});
      client.on('close', () => clients.delete(client));
      client.on('authentication', (attempt) => {
        if (attempt.method === 'none') return attempt.reject(methods as never);
        requests.push(`login ${attempt.method}`);
        const answer = onTry(attempt);
        if (answer === 'accept') attempt.accept();
        else if (answer === 'reject') attempt.reject(methods as never);
      });
      client.on('session', (accept) => {
        const session = accept();
        if (hasSftp) session.on('sftp', (open) => serve(open(), client));
      });
    },
  );

  function serve(sftp: SFTPWrapper, client: Connection): void {
    const counts = new Map<string, number>();
    sftp.on('error', () => {});
    for (const name of REQUESTS) {
      const answer = script[name] ?? GOOD[name] ?? (({ id }: SftpRequest) => sftp.status(id, STATUS.OP_UNSUPPORTED));
      sftp.on(name as 'READ', (id: number, ...fields: unknown[]) => {
        requests.push(name);
        const count = (counts.get(name) ?? 0) + 1;
        counts.set(name, count);
        answer({ id, fields, count, sftp, client });
      });
    }
  }

  server.on('error', () => {});
  server.listen(0, HOST);
  await once(server, 'listening');
  const parsed = utils.parseKey(hostKeys[0]);
  if (parsed instanceof Error) throw parsed;
  const fingerprint = createHash('sha256').update(parsed.getPublicSSH()).digest('base64').replace(/=+$/, '');
  return {
    requests,
    remote: remoteDocumentSchema.parse({
      ...{ kind: 'remote', tenant: 'acme', name: 'partner', type: 'sftp', host: HOST, user: 'u', paths: ['/in/'] },
      ...{ port: (server.address() as { port: number }).port, password: 'partner-password' },
      ...{ hostKeys: [`SHA256:${fingerprint}`], timeouts: { connect: '30s', stall: '2s' } },
    }),
    secrets: { 'partner-password': 'hush-scripted' },
    async stop() {
      server.close();
      for (const client of clients) client.end();
    },
  };
}
