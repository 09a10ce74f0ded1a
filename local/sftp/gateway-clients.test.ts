/** The command-line clients that partners use, where they are installed. */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PART_BYTES, startTestGateway, type TestGateway } from '#testkit/beds/sftp-gateway-bed.ts';
import { LANDING, OUTBOUND } from '#testkit/servers/sftp-store.ts';

let test: TestGateway;
let work: string;
beforeAll(async () => {
  test = await startTestGateway();
  await test.store.send(new PutObjectCommand({ Bucket: OUTBOUND, Key: 'acme/reply.csv', Body: 'reply' }));
});
afterAll(() => test.stop());
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'longshore-clients-'));
  return () => rmSync(work, { recursive: true, force: true });
});

const isInstalled = (command: string): boolean => spawnSync('which', [command]).status === 0;
const OPENSSH_SFTP = 'sftp';
const SSH_OPTIONS = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes', 'IdentitiesOnly=yes'];

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

async function run(command: string, args: readonly string[], input = ''): Promise<Finished> {
  const child = spawn(command, args, { cwd: work, env: { PATH: process.env.PATH, HOME: work }, timeout: 60_000 });
  const output: Buffer[] = [];
  child.stdout.on('data', (data) => output.push(data));
  child.stderr.on('data', (data) => output.push(data));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code: code as number | null, output: Buffer.concat(output).toString() };
}

function sshArguments(keyFile = test.privateKeyFile): string[] {
  return [...SSH_OPTIONS.flatMap((option) => ['-o', option]), '-i', keyFile];
}

/** A batch of OpenSSH's `sftp`. A line that begins with `-` may fail. */
function sftp(...lines: string[]): Promise<Finished> {
  writeFileSync(join(work, 'batch'), `${lines.join('\n')}\n`);
  return run(OPENSSH_SFTP, ['-P', String(test.gateway.port), ...sshArguments(), '-b', 'batch', 'acme-user@127.0.0.1']);
}

function makeTree(): Map<string, Buffer> {
  const files = new Map([
    ['empty.csv', Buffer.alloc(0)],
    ['one byte.csv', Buffer.from('x')],
    ['Grüße & Küsse 日本.csv', Buffer.from('a,b\n')],
    [`${'n'.repeat(200)}.csv`, Buffer.from('long name')],
    ['sub/deep/large.bin', randomBytes(PART_BYTES + 1_234)],
  ]);
  mkdirSync(join(work, 'tree/sub/deep'), { recursive: true });
  for (const [name, content] of files) writeFileSync(join(work, 'tree', name), content);
  return files;
}

async function expectStored(prefix: string, files: Map<string, Buffer>): Promise<void> {
  for (const [name, content] of files) {
    const { body } = await test.content(`${prefix}${name}`);
    expect(body.equals(content), name).toBe(true);
  }
}

function expectFetched(directory: string, files: Map<string, Buffer>): void {
  for (const [name, content] of files) {
    expect(readFileSync(join(work, directory, name)).equals(content), name).toBe(true);
  }
}

describe.skipIf(!isInstalled(OPENSSH_SFTP))('OpenSSH sftp', () => {
  it('puts and gets a tree, lists, renames and removes', async () => {
    const files = makeTree();
    const { code, output } = await sftp(
      'mkdir openssh',
      'put -r tree openssh/tree',
      'ls -l openssh/tree',
      'get -r openssh/tree back',
      'rename openssh/tree/empty.csv openssh/tree/renamed.csv',
      'rm "openssh/tree/one byte.csv"',
      'mkdir openssh/gone',
      'rmdir openssh/gone',
      'get outbound/reply.csv',
    );
    expect(output, output).not.toMatch(/error|failure/i);
    expect(code).toBe(0);
    expect(output).toContain('one byte.csv');
    expectFetched('back', files);
    expect(readFileSync(join(work, 'reply.csv'), 'utf8')).toBe('reply');
    files.set('renamed.csv', files.get('empty.csv')!).delete('empty.csv');
    files.delete('one byte.csv');
    await expectStored('acme/openssh/tree/', files);
  });

  it('goes into directories that a route names before there is a file in them, and never above the root', async () => {
    test.users.set('new-user', {
      ...test.users.get('acme-user')!,
      tenantId: 'new',
      homePrefix: 'new',
      directories: ['inbound/orders'],
    });
    writeFileSync(join(work, 'a.csv'), 'a');
    writeFileSync(
      join(work, 'batch'),
      [
        'ls',
        'cd inbound/orders',
        'ls',
        'put a.csv',
        'cd ..',
        'ls',
        'cd ..',
        'cd ..',
        'cd ../..',
        'pwd',
        'mkdir inbound2',
      ].join('\n'),
    );
    const args = ['-P', String(test.gateway.port), ...sshArguments(), '-b', 'batch', 'new-user@127.0.0.1'];
    const { code, output } = await run(OPENSSH_SFTP, args);
    expect(code, output).toBe(0);
    expect(output).toMatch(/^inbound\s+outbound\s*$/m);
    expect(output).toMatch(/^orders\s*$/m);
    expect(output).toContain('Remote working directory: /\n');
    expect(String((await test.content('new/inbound/orders/a.csv')).body)).toBe('a');
  });

  it.each(['rsa-sha2-512', 'rsa-sha2-256'])(
    'logs in with an RSA key that may sign with %s alone',
    async (algorithm) => {
      const keyFile = join(work, 'id_rsa');
      const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2_048 });
      writeFileSync(keyFile, rsa.private, { mode: 0o600 });
      test.users.set('rsa-user', { tenantId: 'acme', publicKeys: [rsa.public], homePrefix: 'acme' });
      writeFileSync(join(work, 'batch'), 'ls\n');
      const options = ['-v', '-o', `PubkeyAcceptedAlgorithms=${algorithm}`, ...sshArguments(keyFile)];
      const args = ['-P', String(test.gateway.port), ...options, '-b', 'batch', 'rsa-user@127.0.0.1'];
      const { code, output } = await run(OPENSSH_SFTP, args);
      expect(code, output).toBe(0);
      expect(output).toMatch(/server-sig-algs=<ssh-ed25519,[^>]*nistp521,rsa-sha2-512,rsa-sha2-256>/);
    },
  );

  it('gets a clear refusal when it resumes an upload, and leaves the file as it was', async () => {
    writeFileSync(join(work, 'part.csv'), 'abc');
    writeFileSync(join(work, 'whole.csv'), 'abcdef');
    const { code, output } = await sftp('put part.csv resume.csv', 'reput whole.csv resume.csv');
    expect(code).not.toBe(0);
    expect(output).toMatch(/PARTIAL_UPLOAD|Failure/);
    expect(String((await test.content('acme/resume.csv')).body)).toBe('abc');
  });

  it('reads the code of a refusal', async () => {
    const { code, output } = await sftp('symlink a b');
    expect(code).not.toBe(0);
    expect(output).toMatch(/DENIED|denied/i);
  });

  it('logs in with an RSA key', async () => {
    const keyFile = join(work, 'id_rsa');
    const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 3_072 });
    writeFileSync(keyFile, rsa.private, { mode: 0o600 });
    const publicKeys = [rsa.public];
    test.users.set('rsa-user', { tenantId: 'acme', publicKeys, homePrefix: 'acme' });
    writeFileSync(join(work, 'batch'), 'ls\n');
    const args = ['-P', String(test.gateway.port), ...sshArguments(keyFile), '-b', 'batch', 'rsa-user@127.0.0.1'];
    const { code, output } = await run(OPENSSH_SFTP, args);
    expect(code, output).toBe(0);
  });

  it('that is killed in mid-upload leaves a failed event and no completed one', async () => {
    const size = 300 * 1_024 * 1_024;
    writeFileSync(join(work, 'killed.bin'), '');
    truncateSync(join(work, 'killed.bin'), size);
    writeFileSync(join(work, 'batch'), 'put killed.bin\n');
    const args = ['-P', String(test.gateway.port), ...sshArguments(), '-b', 'batch', 'acme-user@127.0.0.1'];
    const child = spawn(OPENSSH_SFTP, args, { cwd: work, stdio: 'ignore' });
    const exited = once(child, 'exit');
    const received = async () => (await test.gateway.metrics.receivedBytes.get()).values[0]?.value ?? 0;
    const before = await received();
    await vi.waitFor(async () => expect(await received()).toBeGreaterThan(before + 2 * PART_BYTES), {
      timeout: 60_000,
      interval: 5,
    });
    child.kill('SIGKILL');
    await exited;
    const eventsOf = () => test.events().filter(({ detail }) => detail['file-path'] === `/${LANDING}/acme/killed.bin`);
    await vi.waitFor(() => expect(eventsOf()).toHaveLength(1), { timeout: 60_000 });
    expect(eventsOf()[0]!['detail-type']).toBe('SFTP Server File Upload Failed');
    expect(eventsOf()[0]!.detail.bytes).toBeLessThan(size);
    expect(await test.openUploadCount()).toBe(0);
  });
});

describe.skipIf(!isInstalled('scp'))('OpenSSH scp', () => {
  const scp = (...args: string[]): Promise<Finished> =>
    run('scp', ['-P', String(test.gateway.port), ...sshArguments(), ...args]);

  it.each([[], ['-p'], ['-s'], ['-r', '-p', '-q']])('says success for what it copied, with %j', async (...options) => {
    writeFileSync(join(work, 'a.csv'), 'content');
    const there = await scp(...options, 'a.csv', 'acme-user@127.0.0.1:/scp.csv');
    expect(there, there.output).toMatchObject({ code: 0 });
    const back = await scp(...options, 'acme-user@127.0.0.1:/scp.csv', 'b.csv');
    expect(back, back.output).toMatchObject({ code: 0 });
    expect(readFileSync(join(work, 'b.csv'), 'utf8')).toBe('content');
  });

  it('copies a tree there and back', async () => {
    const files = makeTree();
    const there = await scp('-r', 'tree', 'acme-user@127.0.0.1:/scp-tree');
    expect(there, there.output).toMatchObject({ code: 0 });
    await expectStored('acme/scp-tree/', files);
    const back = await scp('-r', 'acme-user@127.0.0.1:/scp-tree', 'back');
    expect(back, back.output).toMatchObject({ code: 0 });
    expectFetched('back', files);
  });

  it('says failure for what was refused', async () => {
    writeFileSync(join(work, 'a.csv'), 'content');
    expect((await scp('a.csv', 'acme-user@127.0.0.1:/outbound/a.csv')).code).toBe(1);
    expect((await scp('acme-user@127.0.0.1:/not-there.csv', 'b.csv')).code).toBe(1);
  });
});

describe.skipIf(!isInstalled('lftp'))('lftp', () => {
  it('mirrors a tree there and back', async () => {
    const files = makeTree();
    const ssh = `ssh -a -x ${sshArguments().join(' ')}`;
    const script = [
      `set sftp:connect-program "${ssh}"`,
      'set net:max-retries 1',
      'set net:timeout 20',
      `open -u acme-user, sftp://127.0.0.1:${test.gateway.port}`,
      'mkdir lftp',
      'mirror -R tree lftp/tree',
      'mirror lftp/tree back',
      'cls -l lftp/tree',
      'mv lftp/tree/empty.csv lftp/tree/renamed.csv',
      'rm "lftp/tree/one byte.csv"',
      'bye',
    ];
    const { code, output } = await run('lftp', ['-c', script.join('; ')]);
    expect(code, output).toBe(0);
    expectFetched('back', files);
    files.set('renamed.csv', files.get('empty.csv')!).delete('empty.csv');
    files.delete('one byte.csv');
    await expectStored('acme/lftp/tree/', files);
  });
});

describe.skipIf(!isInstalled('rclone'))('rclone', () => {
  it('copies a tree there and back, checks it, moves and deletes', async () => {
    const files = makeTree();
    const config = [
      '[dock]',
      'type = sftp',
      'host = 127.0.0.1',
      `port = ${test.gateway.port}`,
      'user = acme-user',
      `key_file = ${test.privateKeyFile}`,
      'shell_type = none',
      'disable_hashcheck = true',
    ];
    writeFileSync(join(work, 'rclone.conf'), `${config.join('\n')}\n`);
    const rclone = async (...args: string[]): Promise<void> => {
      const { code, output } = await run('rclone', ['--config', 'rclone.conf', '--retries', '1', ...args]);
      expect(code, output).toBe(0);
    };
    await rclone('copy', 'tree', 'dock:rclone/tree');
    await rclone('check', '--size-only', 'tree', 'dock:rclone/tree');
    await rclone('copy', 'dock:rclone/tree', 'back');
    await rclone('moveto', 'dock:rclone/tree/empty.csv', 'dock:rclone/tree/renamed.csv');
    await rclone('deletefile', 'dock:rclone/tree/one byte.csv');
    expectFetched('back', files);
    files.set('renamed.csv', files.get('empty.csv')!).delete('empty.csv');
    files.delete('one byte.csv');
    await expectStored('acme/rclone/tree/', files);
  });
});
