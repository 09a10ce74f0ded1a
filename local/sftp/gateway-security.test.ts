import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import ssh2, { type ConnectConfig } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { call, codeOf, startTestGateway, type TestGateway } from '#testkit/beds/sftp-gateway-bed.ts';
import { makeSshKey } from './make-ssh-key.ts';

let test: TestGateway;
beforeAll(async () => {
  test = await startTestGateway({
    loginTimeoutMs: 1_000,
    maxUnauthenticated: 3,
    maxConnections: 8,
    maxSessionsPerUser: 2,
    maxAuthAttempts: 3,
    maxHandles: 4,
    openWaitMs: 100,
  });
});
afterAll(() => test.stop());

const failure = (options: Partial<ConnectConfig>): Promise<string> =>
  test.connect(options).then(
    async (connection) => {
      await connection.close();
      return 'connected';
    },
    (error: Error) => error.message,
  );

async function openTcp(): Promise<Socket> {
  const socket = connectTcp(test.gateway.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

async function counter(name: 'authFailures' | 'refusedConnections', reason: string): Promise<number> {
  const { values } = await test.gateway.metrics[name].get();
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0;
}

describe('a login', () => {
  it('takes nothing but a public key', async () => {
    const { privateKey: _, ...none } = { privateKey: undefined };
    expect(await failure({ ...none, privateKey: undefined as never, password: 'secret' })).toMatch(/authentication/i);
    expect(await failure({ privateKey: undefined as never, password: 'secret', tryKeyboard: true })).toMatch(
      /authentication/i,
    );
    expect(await counter('authFailures', 'method')).toBeGreaterThan(0);
    expect(test.logLines.join('')).not.toContain('secret');
  });

  it('is refused for another key and for an unknown user in the same words', async () => {
    const stranger = makeSshKey().private;
    const wrongKey = await failure({ privateKey: stranger });
    expect(wrongKey).toMatch(/authentication/i);
    expect(await failure({ username: 'nobody-here' })).toBe(wrongKey);
    expect(await failure({ username: '../../etc' })).toBe(wrongKey);
    expect(await failure({ username: 'a\r\nb' })).toBe(wrongKey);
  });

  it('is refused while the look-up fails', async () => {
    const users = new Map(test.users);
    test.users.clear();
    expect(await failure({})).toMatch(/authentication/i);
    for (const [name, user] of users) test.users.set(name, user);
    expect(await failure({})).toBe('connected');
  });

  it('with an RSA key works, as clients sign with SHA-2', async () => {
    const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2_048 });
    test.users.set('rsa-user', { tenantId: 'acme', publicKeys: [rsa.public], homePrefix: 'acme' });
    expect(await failure({ username: 'rsa-user', privateKey: rsa.private })).toBe('connected');
  });

  it('with a short RSA key is refused', async () => {
    const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 1_024 });
    test.users.set('weak-user', { tenantId: 'acme', publicKeys: [rsa.public], homePrefix: 'acme' });
    expect(await failure({ username: 'weak-user', privateKey: rsa.private })).toMatch(/authentication/i);
  });

  it('may be tried a few times on one connection, then it is cut', async () => {
    const client = new ssh2.Client();
    client.on('error', () => undefined);
    let attempts = 0;
    client.connect({
      host: '127.0.0.1',
      port: test.gateway.port,
      username: 'acme-user',
      authHandler: (_left, _partial, next) => {
        attempts += 1;
        next({ type: 'password', username: 'acme-user', password: 'guess' } as never);
      },
    });
    await once(client, 'close');
    expect(attempts).toBeLessThanOrEqual(5);
  });
});

describe('the handshake', () => {
  it.each<[string, ConnectConfig['algorithms']]>([
    ['hmac-sha1', { hmac: ['hmac-sha1'], cipher: ['aes128-ctr'] }],
    ['hmac-sha1-etm', { hmac: ['hmac-sha1-etm@openssh.com'], cipher: ['aes128-ctr'] }],
    ['hmac-md5', { hmac: ['hmac-md5'], cipher: ['aes128-ctr'] }],
    ['CBC', { cipher: ['aes128-cbc'] }],
    ['an ssh-rsa host key', { serverHostKey: ['ssh-rsa'] }],
    ['diffie-hellman-group14-sha1', { kex: ['diffie-hellman-group14-sha1'] }],
    ['diffie-hellman-group1-sha1', { kex: ['diffie-hellman-group1-sha1'] }],
  ])('does not agree on %s', async (_, algorithms) => {
    expect(await failure({ algorithms: algorithms! })).toMatch(/no matching/i);
  });

  it.each<[string, ConnectConfig['algorithms']]>([
    ['chacha20-poly1305', { cipher: ['chacha20-poly1305@openssh.com'] }],
    ['aes256-gcm', { cipher: ['aes256-gcm@openssh.com'] }],
    ['aes256-ctr with an etm mac', { cipher: ['aes256-ctr'], hmac: ['hmac-sha2-512-etm@openssh.com'] }],
    ['ecdh-sha2-nistp256', { kex: ['ecdh-sha2-nistp256'] }],
    ['diffie-hellman-group14-sha256', { kex: ['diffie-hellman-group14-sha256'] }],
  ])('agrees on %s', async (_, algorithms) => {
    expect(await failure({ algorithms: algorithms! })).toBe('connected');
  });

  it('offers strict key exchange', async () => {
    const socket = connectTcp(test.gateway.port, '127.0.0.1');
    const received: Buffer[] = [];
    socket.on('data', (data) => received.push(data));
    socket.write('SSH-2.0-probe\r\n');
    await vi.waitFor(
      () => expect(Buffer.concat(received).toString('latin1')).toContain('kex-strict-s-v00@openssh.com'),
      { timeout: 60_000 },
    );
    socket.destroy();
  });
});

describe('sockets', () => {
  it('that keep silent are cut at the deadline', async () => {
    const socket = await openTcp();
    const start = performance.now();
    await once(socket, 'close');
    expect(performance.now() - start).toBeGreaterThan(500);
    expect(await counter('refusedConnections', 'login-timeout')).toBeGreaterThan(0);
  });

  it('that have not logged in are few, displace each other, and do not keep a login out', async () => {
    const places = async () => (await test.gateway.metrics.sockets.get()).values[0]?.value ?? 0;
    const silent: Socket[] = [];
    for (let count = 0; count < 60; count += 1) {
      silent.push(await openTcp());
      if (count % 2 === 0) silent.at(-1)!.write('SSH-2.0-probe\r\n');
    }
    expect(await places()).toBeLessThanOrEqual(2);
    expect(await failure({})).toBe('connected');
    await Promise.all(silent.filter(({ closed }) => !closed).map((socket) => once(socket, 'close')));
    await vi.waitFor(async () => expect(await places()).toBe(0), { timeout: 60_000 });
    expect(await counter('refusedConnections', 'unauthenticated')).toBeGreaterThan(50);
    expect(await failure({})).toBe('connected');
  });

  it('of one user are limited, and not those of others', async () => {
    const first = await test.connect();
    const second = await test.connect();
    expect(await failure({})).toMatch(/authentication/i);
    expect(await failure({ username: 'acmex-user' })).toBe('connected');
    await first.close();
    await second.close();
    await vi.waitFor(async () => expect((await test.gateway.metrics.sessions.get()).values[0]?.value).toBe(0), {
      timeout: 60_000,
    });
    expect(await failure({})).toBe('connected');
  });
});

describe('a session', () => {
  it('sees nothing of a tenant whose prefix begins like its own', async () => {
    const other = await test.connect({ username: 'acmex-user' });
    await call((done) => other.sftp.writeFile('/theirs.csv', 'x', done));
    const own = await test.connect();
    expect(await codeOf(call((done) => own.sftp.stat('/theirs.csv', done)))).toBe('FILE_NOT_FOUND');
    expect(await codeOf(call((done) => own.sftp.stat('/../acmex/theirs.csv', done)))).toBe('NAME_REJECTED');
    expect(await codeOf(call((done) => own.sftp.stat('x/theirs.csv', done)))).toBe('FILE_NOT_FOUND');
    await own.close();
    await other.close();
  });

  it('has no shell, no commands and no forwarding', async () => {
    const { client, close } = await test.connect();
    await expect(call((done) => client.exec('id', done as never))).rejects.toThrow();
    await expect(call((done) => client.shell(done as never))).rejects.toThrow();
    await expect(call((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, done as never))).rejects.toThrow();
    await close();
  });

  it('can hold only so many files open: one more waits for a free handle, then is refused', async () => {
    const { sftp, close } = await test.connect();
    const openOne = (index: number): Promise<Buffer> => call<Buffer>((done) => sftp.open(`/open-${index}`, 'w', done));
    const opened = await Promise.all(Array.from({ length: 4 }, (_, index) => openOne(index)));
    expect(await codeOf(openOne(4))).toBe('DENIED');
    const waiting = openOne(5);
    await call((done) => sftp.close(opened[0]!, done));
    expect(await codeOf(waiting)).toBe('ok');
    await close();
  });
});
