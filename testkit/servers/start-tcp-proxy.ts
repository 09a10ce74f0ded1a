/**
 * A TCP proxy that does to its connections what networks do.
 *
 * 1. `hush`: everything, new connections included, is taken and never answered, as by a host that hangs.
 * 2. `forget`: what was connected before gets no answer any more, not even a FIN; new connections work.
 * 3. `loseReply`: the next request with that text reaches the server and is answered in full; its sender gets a closed connection instead.
 * 4. `hushAt`: everything is silent, as by `hush`, from the next request with that text: before it reaches the server, or once it is answered.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  /** As the target's, but through the proxy. */
  readonly url: string;
  hush(): void;
  /** Ends `hush`; connections of that time stay silent. */
  speak(): void;
  forget(): void;
  /** Closes every connection; what its server was asked it may still do. */
  cut(): void;
  /** Resolves when a reply was lost. */
  loseReply(text: string): Promise<void>;
  /** Resolves when everything is silent. */
  hushAt(text: string, moment: 'asked' | 'answered'): Promise<void>;
  stop(): Promise<void>;
}

/** What happens to a request, and to all others after it. */
interface Fate {
  readonly text: string;
  readonly kind: 'lost' | 'asked' | 'answered';
  readonly met: () => void;
}

/** PostgreSQL's ReadyForQuery outside of a transaction: the statement is committed. */
const COMMITTED = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Of PostgreSQL, or of a server of HTTP. */
function isWholeReply(bytes: Buffer): boolean {
  return bytes.subarray(-COMMITTED.length).equals(COMMITTED) || bytes.subarray(0, 5).toString('latin1') === 'HTTP/';
}

/** `target` is the URL of a server, whose port it names. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  const silent = new WeakSet<Socket>();
  let isHushed = false;
  let fates: Fate[] = [];
  const forget = () => {
    for (const [near] of pairs) silent.add(near);
  };
  const hush = () => {
    isHushed = true;
    forget();
  };

  const server = createServer((near) => {
    if (isHushed) silent.add(near);
    const far = connect(Number(port), hostname);
    const pair = [near, far] as const;
    pairs.add(pair);
    let fate: Fate | undefined;
    near.on('data', (bytes) => {
      if (silent.has(near)) return;
      const found = fates.find(({ text }) => bytes.includes(text));
      if (found !== undefined) {
        fates = fates.filter((each) => each !== found);
        fate = found;
      }
      if (found?.kind === 'asked') {
        hush();
        found.met();
      } else far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (silent.has(near)) return;
      // Before its reply a statement may be answered with the types of its parameters.
      const isAnswered = fate !== undefined && isWholeReply(bytes);
      if (!isAnswered && fate?.kind !== 'lost') near.write(bytes);
      if (!isAnswered) return;
      if (fate?.kind === 'lost') near.destroy();
      else hush();
      fate?.met();
    });
    for (const socket of pair) socket.on('error', () => {});
    far.on('close', () => silent.has(near) || near.destroy());
    near.on('close', () => {
      far.destroy();
      pairs.delete(pair);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  const meet = (text: string, kind: Fate['kind']): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    fates.push({ text, kind, met: resolve });
    return promise;
  };
  return {
    url: url.href,
    hush,
    speak() {
      isHushed = false;
    },
    forget,
    cut() {
      for (const [near] of pairs) near.destroy();
    },
    loseReply: (text) => meet(text, 'lost'),
    hushAt: meet,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      await closed;
    },
  };
}
