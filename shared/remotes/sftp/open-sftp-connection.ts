/**
 * A connection to an SFTP server, by ssh2.
 *
 * 1. The host key must be one of the remote's pins; nothing of ours is sent before. A server has keys of several types and shows one: it is asked
 *    for the others while none that it showed is pinned.
 * 2. Each credential is tried once: a second try could lock the account.
 * 3. Requests are in our own table (`request-watch.ts`), failed when channel or connection end.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import ssh2, {
  type Algorithms,
  type AuthHandlerMiddleware,
  type Client,
  type NegotiatedAlgorithms,
  type SFTPWrapper,
} from 'ssh2';
import { LEGACY_ALGORITHMS, type LegacyAlgorithm, portOf, type SftpRemote } from '#shared/definitions/remote-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { connectSocket, reasonOf } from '../connect-socket.ts';
import type { RemoteConnection, RemoteIdentity } from '../remote-connection.ts';
import { hasRemoteFault, RemoteError } from '../remote-error.ts';
import { gatherRequests } from './gather-requests.ts';
import { SftpConnection } from './sftp-connection.ts';
import { createSocketReads } from './socket-reads.ts';
import { tuneSsh2 } from './tune-ssh2.ts';

export interface SftpSecrets {
  readonly password?: string | undefined;
  readonly privateKey?: string | undefined;
  readonly passphrase?: string | undefined;
}

export interface OpenSftpOptions {
  readonly guard: AddressGuard;
  readonly signal?: AbortSignal | undefined;
  /** What the server showed, trusted or not. */
  readonly onIdentity?: ((identity: RemoteIdentity) => void) | undefined;
  /** Host keys that the server announces and proves to have, as `SHA256:...`: it may change to them. */
  readonly onAnnounced?: ((fingerprints: readonly string[]) => void) | undefined;
  /** Which of the remote's `legacyAlgorithms` the connection uses, if any. */
  readonly onLegacy?: ((algorithms: readonly LegacyAlgorithm[]) => void) | undefined;
}

/** Nothing that rests on SHA-1 or CBC, but what a remote allows (`legacyAlgorithms`). */
const ALGORITHMS = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group-exchange-sha256',
  ],
  serverHostKey: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} as const satisfies Algorithms;
const KEEP_ALIVE_MS = 15_000;
const MOST_UNANSWERED = 3;

/** Whatever is allowed, what is secure is preferred. */
function algorithmsOf({ legacyAlgorithms = [] }: SftpRemote): Record<keyof typeof ALGORITHMS, readonly string[]> {
  const legacy = (of: (name: LegacyAlgorithm) => boolean) => legacyAlgorithms.filter(of);
  return {
    kex: [...ALGORITHMS.kex, ...legacy((name) => name.startsWith('diffie-hellman-'))],
    serverHostKey: [...ALGORITHMS.serverHostKey, ...legacy((name) => name === 'ssh-rsa')],
    cipher: [...ALGORITHMS.cipher, ...legacy((name) => name.endsWith('-cbc'))],
    hmac: [...ALGORITHMS.hmac, ...legacy((name) => name.startsWith('hmac-'))],
    compress: ALGORITHMS.compress,
  };
}

function legacyIn({ kex, serverHostKey, cs, sc }: NegotiatedAlgorithms): LegacyAlgorithm[] {
  const used = new Set([kex, serverHostKey, cs.cipher, sc.cipher, cs.mac, sc.mac]);
  return LEGACY_ALGORITHMS.filter((name) => used.has(name));
}

/** The types of host keys that a remote was asked for when it showed a pinned one, by its definition: else each connection would begin in vain. */
const fittingTypes = new WeakMap<SftpRemote, readonly string[]>();

export async function openSftpConnection(
  remote: SftpRemote,
  secrets: SftpSecrets,
  options: OpenSftpOptions,
): Promise<RemoteConnection> {
  const { serverHostKey } = algorithmsOf(remote);
  let types = fittingTypes.get(remote) ?? serverHostKey;
  const shown = new Set<string>();
  for (;;) {
    let shownType: string | undefined;
    const onKey = (fingerprint: string, type: string): void => {
      shown.add(fingerprint);
      shownType = type;
    };
    try {
      const connection = await openByTypes(remote, secrets, { ...options, types, onKey });
      fittingTypes.set(remote, types);
      return connection;
    } catch (error) {
      const isUntrusted = hasRemoteFault(error, 'untrusted');
      if (fittingTypes.delete(remote) && (isUntrusted || hasRemoteFault(error, 'protocol'))) {
        types = serverHostKey;
        continue;
      }
      // Its key was the right one, or there was none.
      if (!isUntrusted && (shownType !== undefined || shown.size === 0)) throw error;
      const left = types.filter((type) => shownType !== undefined && typeOfKey(type) !== shownType);
      if (left.length === 0 || left.length === types.length) throw untrusted(shown);
      types = left;
    }
  }
}

/** Signatures of RSA keys have their own names. */
function typeOfKey(algorithm: string): string {
  return algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm;
}

function untrusted(shown: Iterable<string>): RemoteError {
  const all = [...shown];
  const message =
    all.length === 1
      ? `the server shows the host key ${all[0]}, which is not pinned`
      : `the server shows the host keys ${all.join(', ')}, none of which is pinned`;
  return new RemoteError('untrusted', message, {
    hint: 'Ask the partner whether it is theirs, then add it to hostKeys.',
  });
}

interface ByTypes extends OpenSftpOptions {
  /** Of host keys. */
  readonly types: readonly string[];
  /** That the server shows, trusted or not. */
  readonly onKey: (fingerprint: string, type: string) => void;
}

async function openByTypes(remote: SftpRemote, secrets: SftpSecrets, options: ByTypes): Promise<RemoteConnection> {
  const deadline = AbortSignal.timeout(remote.timeouts.connect);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  const place = { host: remote.host, port: portOf(remote) };
  const key = readPrivateKey(secrets);
  const reads = createSocketReads();
  const sock = gatherWrites(await connectSocket(place, { guard: options.guard, signal, onread: reads.onread }));
  reads.feed(sock);
  const client = new ssh2.Client();
  tuneSsh2(client, reads);
  const stop = new AbortController();
  let fingerprint = '';
  let isTrusted: boolean | undefined;
  let failure: unknown;
  let isReady = false;
  client.on('error', (error) => {
    failure ??= error;
    stop.abort(error);
  });
  client.on('close', () => stop.abort(new Error('closed')));
  client.on('change password', () => client.destroy());
  client.on('hostkeys', (keys: readonly { getPublicSSH(): Buffer }[]) =>
    options.onAnnounced?.(keys.map((announced) => fingerprintOf(announced.getPublicSSH()))),
  );
  client.once('handshake', (negotiated: NegotiatedAlgorithms) => {
    const legacy = legacyIn(negotiated);
    if (legacy.length > 0) options.onLegacy?.(legacy);
  });
  const tried: string[] = [];
  const authentication = authenticateOnce(remote.user, { ...secrets, key }, tried);
  const ready = once(client, 'ready', { signal: AbortSignal.any([signal, stop.signal]) });
  ready.catch(() => {});
  client.connect({
    sock,
    username: remote.user,
    readyTimeout: remote.timeouts.connect,
    keepaliveInterval: KEEP_ALIVE_MS,
    keepaliveCountMax: MOST_UNANSWERED,
    algorithms: { ...algorithmsOf(remote), serverHostKey: options.types } as unknown as Algorithms,
    authHandler: authentication,
    hostVerifier: (shown: Buffer) => {
      fingerprint = fingerprintOf(shown);
      isTrusted = remote.hostKeys.includes(fingerprint);
      options.onKey(fingerprint, typeOf(shown));
      options.onIdentity?.({ fingerprint, isTrusted });
      return isTrusted;
    },
  });
  try {
    await ready;
    isReady = true;
    const sftp = await startSftp(client, AbortSignal.any([signal, stop.signal]));
    gatherRequests(sftp);
    return new SftpConnection({ client, sftp, fingerprint, stallMs: remote.timeouts.stall });
  } catch {
    client.on('error', () => {});
    client.destroy();
    sock.destroy();
    if (isTrusted === false) throw untrusted([fingerprint]);
    if (isLevel(failure, 'client-authentication') && tried.length > 0)
      throw new RemoteError('auth-failed', `the server accepts none of: ${tried.join(', ')}`);
    if (deadline.aborted) throw new RemoteError('unreachable', `${place.host}:${place.port} did not answer in time`);
    if (options.signal?.aborted) throw new RemoteError('lost', 'the connection was given up');
    if (isReady && !stop.signal.aborted)
      throw new RemoteError('protocol', 'the server lets us in and has no SFTP for this user');
    // ssh2's own words.
    const [, lacking] = (failure instanceof Error && /no matching ([A-Za-z> -]{1,40})$/.exec(failure.message)) || [];
    if (lacking !== undefined)
      throw new RemoteError('protocol', `the server has no ${lacking} that is allowed here`, {
        hint: 'If it is old, and the partner cannot change that, name what it has in legacyAlgorithms.',
      });
    if (isLevel(failure, 'handshake') || isLevel(failure, 'protocol'))
      throw new RemoteError('protocol', 'the server does not speak SSH as it is spoken here');
    throw new RemoteError('unreachable', `${place.host}:${place.port} closed the connection (${reasonOf(failure)})`);
  }
}

/** What is asked for at one time leaves as one: ssh2 writes each packet on its own, and a call of the system costs as much as making one. */
function gatherWrites(socket: Socket): Socket {
  let isGathering = false;
  const { write } = socket;
  socket.write = ((...written: Parameters<Socket['write']>) => {
    if (!isGathering) {
      isGathering = true;
      socket.cork();
      process.nextTick(() => {
        isGathering = false;
        socket.uncork();
      });
    }
    return write.apply(socket, written);
  }) as Socket['write'];
  return socket;
}

function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** A key begins with the name of its type. */
function typeOf(key: Buffer): string {
  return key.length < 4 ? '' : key.toString('latin1', 4, 4 + key.readUInt32BE(0));
}

function readPrivateKey({ privateKey, passphrase }: SftpSecrets): string | undefined {
  if (privateKey === undefined) return undefined;
  const parsed = ssh2.utils.parseKey(privateKey, passphrase);
  if (parsed instanceof Error || (Array.isArray(parsed) && parsed[0] instanceof Error))
    throw new RemoteError('auth-failed', 'the secret of privateKey is not a private key, or its passphrase is wrong');
  return privateKey;
}

interface Credentials extends SftpSecrets {
  readonly key: string | undefined;
}

/** Key, then password, each at most once; `keyboard-interactive` answers one prompt with the password where that is all that a server takes. */
function authenticateOnce(username: string, credentials: Credentials, tried: string[]): AuthHandlerMiddleware {
  const { key, password, passphrase } = credentials;
  let isAsked = false;

  function choose(methods: readonly string[] | null): unknown {
    const offers = (method: string): boolean => methods?.includes(method) ?? true;
    if (key !== undefined && !tried.includes('publickey') && offers('publickey')) {
      tried.push('publickey');
      return { type: 'publickey', username, key, ...(passphrase !== undefined && { passphrase }) };
    }
    if (password === undefined || tried.includes('password') || tried.includes('keyboard-interactive')) return false;
    if (methods === null && !isAsked) {
      // Asks which methods there are, and tries none.
      isAsked = true;
      return { type: 'none', username };
    }
    const method = ['password', 'keyboard-interactive'].find(offers);
    if (method === undefined) return false;
    tried.push(method);
    return method === 'password' ? { type: method, username, password } : { type: method, username, prompt };
  }

  function prompt(
    _name: string,
    _text: string,
    _language: string,
    prompts: readonly unknown[],
    finish: (answers: string[]) => void,
  ) {
    finish(prompts.map((_prompt, index) => (index === 0 ? (password ?? '') : '')));
  }

  const handler = (methods: readonly string[] | null, _partial: boolean | null, next: (auth: unknown) => void): void =>
    next(choose(methods));
  return handler as unknown as AuthHandlerMiddleware;
}

async function startSftp(client: Client, signal: AbortSignal): Promise<SFTPWrapper> {
  const { promise, resolve, reject } = Promise.withResolvers<SFTPWrapper>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp)));
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function isLevel(error: unknown, level: string): boolean {
  return error instanceof Error && 'level' in error && error.level === level;
}
