import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { call, startTestGateway, type TestConnection, type TestGateway } from '#testkit/beds/sftp-gateway-bed.ts';
import { makeSshKey } from './make-ssh-key.ts';
import type { SftpUser } from './user-root.ts';

let gateway: TestGateway;
let user: SftpUser;
beforeAll(async () => {
  gateway = await startTestGateway({ accessCheckMs: 100 });
  user = gateway.users.get('acme-user')!;
});
beforeEach(() => void gateway.users.set('acme-user', user));
afterAll(() => gateway.stop());

async function openSession(): Promise<{ connection: TestConnection; closed: Promise<unknown> }> {
  const connection = await gateway.connect();
  connection.client.on('error', () => undefined);
  return { connection, closed: once(connection.client, 'close') };
}

describe('an open session', () => {
  it.each([
    ['its user is disabled', () => undefined],
    ['its key was replaced by another', () => ({ ...user, publicKeys: [makeSshKey().public] })],
    ['its user belongs to another tenant now', () => ({ ...user, tenantId: 'globex' })],
    ['its user has another home now', () => ({ ...user, homePrefix: 'acme/elsewhere/' })],
  ])('ends when %s', async (_what, change) => {
    const { closed } = await openSession();
    const changed = change();
    if (changed === undefined) gateway.users.delete('acme-user');
    else gateway.users.set('acme-user', changed);
    await closed;
  });

  it('ends in the middle of an upload, which is reported as failed', async () => {
    const { connection, closed } = await openSession();
    const handle = await call<Buffer>((done) => connection.sftp.open('/under-way.csv', 'w', done));
    await call((done) => connection.sftp.write(handle, Buffer.from('abc'), 0, 3, 0, done));
    gateway.users.delete('acme-user');
    await closed;
    await vi.waitFor(
      () =>
        expect(gateway.events().at(-1)).toMatchObject({
          'detail-type': 'SFTP Server File Upload Failed',
          detail: { 'file-path': expect.stringContaining('under-way.csv') },
        }),
      { timeout: 60_000 },
    );
  });

  it('of the OpenSSH client ends too', async () => {
    const args = ['-v', '-P', String(gateway.gateway.port), '-i', gateway.privateKeyFile];
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes'];
    const client = spawn('sftp', [...args, ...options.flatMap((option) => ['-o', option]), 'acme-user@127.0.0.1']);
    let output = '';
    for (const stream of [client.stdout, client.stderr])
      stream.on('data', (chunk) => {
        output += String(chunk);
      });
    client.stdin.write('pwd\n');
    await vi.waitFor(() => expect(output).toContain('Remote working directory'), { timeout: 60_000 });
    gateway.users.delete('acme-user');
    try {
      await vi.waitFor(() => expect(output).toContain('Received disconnect'), { timeout: 60_000 });
    } finally {
      client.kill('SIGKILL');
    }
  });

  it('goes on while a key is added to its own, and ends when its own is taken away', async () => {
    const { connection, closed } = await openSession();
    const added = makeSshKey();
    let checks = 0;
    const changed: SftpUser = {
      ...user,
      get publicKeys() {
        checks += 1;
        return [added.public, ...user.publicKeys];
      },
    };
    gateway.users.set('acme-user', changed);
    await vi.waitFor(() => expect(checks).toBeGreaterThan(3), { timeout: 60_000 });
    await call<unknown>((done) => connection.sftp.stat('/', done));
    gateway.users.set('acme-user', { ...user, publicKeys: [added.public] });
    await closed;
    await (await gateway.connect({ privateKey: added.private })).close();
  });
});
