/** An FTPS server (implicit TLS) that answers as a test says, as faulty servers of partners do. What is not said it answers well. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { makeAuthority } from './make-certificates.ts';
import type { PartnerFileServer } from './partner-file-servers.ts';

export interface FtpsCommand {
  readonly argument: string;
  readonly control: TLSSocket;
  /** How often this verb came, with this one. */
  readonly count: number;
  reply(text: string): void;
  /** The data connection, once it is there. */
  data(): Promise<TLSSocket>;
  /** For the next data connection; to its port. */
  listen(): Promise<number>;
}
export type FtpsScript = Readonly<Record<string, (command: FtpsCommand) => unknown>>;

export interface ScriptedFtpsServer extends Pick<PartnerFileServer, 'remote' | 'secrets'> {
  /** Verbs with their arguments, as they came. */
  readonly commands: string[];
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
export const SCRIPTED_CONTENT = 'x'.repeat(5_000);

const GOOD: FtpsScript = {
  USER: ({ reply }) => reply('331 password'),
  PASS: ({ reply }) => reply('230 in'),
  FEAT: ({ reply }) => reply('211-Features\r\n MDTM\r\n MLSD\r\n SIZE\r\n211 End'),
  SIZE: ({ reply }) => reply(`213 ${SCRIPTED_CONTENT.length}`),
  MDTM: ({ reply }) => reply('213 20260102030405'),
  CWD: ({ reply }) => reply('250 there'),
  RNFR: ({ reply }) => reply('350 and to'),
  async RETR({ reply, data }) {
    const socket = await data();
    reply('150 here it comes');
    socket.end(SCRIPTED_CONTENT, () => reply('226 done'));
  },
  async STOR({ reply, data }) {
    const socket = await data();
    reply('150 go on');
    socket.resume().once('end', () => reply('226 done'));
  },
};

export async function startScriptedFtpsServer(script: FtpsScript, host = HOST): Promise<ScriptedFtpsServer> {
  const authority = await makeAuthority('Scripted CA');
  const { key, certificate } = await authority.issue(host);
  const commands: string[] = [];
  const servers = new Set<Server>();
  const sockets = new Set<TLSSocket>();
  const listen = async (onSocket: (socket: TLSSocket) => void): Promise<Server> => {
    const server = createServer({ key, cert: certificate }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onSocket(socket);
    });
    servers.add(server);
    server.on('tlsClientError', () => {});
    server.listen(0, host);
    await once(server, 'listening');
    return server;
  };
  const portOf = (server: Server) => (server.address() as AddressInfo).port;

  const control = await listen((socket) => {
    let data = Promise.withResolvers<TLSSocket>();
    const counts = new Map<string, number>();
    const reply = (text: string): void => void (socket.destroyed || socket.write(`${text}\r\n`));
    reply('220 scripted');
    const listenForData = async (): Promise<number> => {
      data = Promise.withResolvers();
      return portOf(await listen((opened) => data.resolve(opened)));
    };
    let rest = '';
    socket.setEncoding('utf8').on('data', async (text: string) => {
      const lines = (rest + text).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        commands.push(line);
        const [verb = '', argument = ''] = line.split(/ (.*)/);
        const count = (counts.get(verb) ?? 0) + 1;
        counts.set(verb, count);
        const answer = script[verb] ?? GOOD[verb];
        if (answer !== undefined)
          answer({ argument, control: socket, count, reply, data: () => data.promise, listen: listenForData });
        else if (verb === 'EPSV') reply(`229 Entering (|||${await listenForData()}|)`);
        else reply('200 well');
      }
    });
  });
  return {
    commands,
    remote: remoteDocumentSchema.parse({
      ...{
        kind: 'remote',
        tenant: 'acme',
        name: 'partner',
        type: 'ftps',
        host,
        port: portOf(control),
        user: 'u',
      },
      ...{ password: 'partner-password', tls: { mode: 'implicit', authority: 'partner-ca' }, paths: ['/in/'] },
      timeouts: { connect: '5s', stall: '1s' },
    }),
    secrets: { 'partner-password': 'hush-scripted', 'partner-ca': authority.certificate },
    async stop() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
    },
  };
}
