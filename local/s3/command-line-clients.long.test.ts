import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 300_000;
const NAMES = ['plain.txt', 'späße & <more>.csv', 'sub/dir/large.bin', 'empty', 'a+b=c #1.txt'];

function isInstalled(command: string): boolean {
  try {
    execFileSync(command, [command === 'aws' ? '--version' : 'version'], { stdio: 'ignore', timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

let s3: S3TestServer;
let directory: string;
let source: string;
let target: string;

beforeAll(async () => {
  s3 = await startTestServer();
  directory = mkdtempSync(join(tmpdir(), 'longshore-clients-'));
  source = join(directory, 'source');
  target = join(directory, 'target');
  mkdirSync(join(source, 'sub', 'dir'), { recursive: true });
  for (const name of NAMES) writeFileSync(join(source, name), name === 'empty' ? '' : name);
  writeFileSync(join(source, 'sub/dir/large.bin'), randomBytes(20 * 1024 * 1024));
});
afterAll(async () => {
  await s3.stop();
  rmSync(directory, { recursive: true, force: true });
});

function environment(more: Record<string, string>): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return {
    PATH,
    HOME,
    AWS_ACCESS_KEY_ID: TEST_CREDENTIAL.accessKeyId,
    AWS_SECRET_ACCESS_KEY: TEST_CREDENTIAL.secretAccessKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    ...more,
  };
}

function expectSameFiles(): void {
  for (const name of NAMES)
    expect(readFileSync(join(target, name)).equals(readFileSync(join(source, name))), name).toBe(true);
}

describe.skipIf(!isInstalled('aws'))('the aws command (skipped where it is not installed)', () => {
  it('copies a tree in and out, lists it, and removes it', { timeout: TIMEOUT_MS }, async () => {
    const aws = (...args: string[]) =>
      run('aws', ['--endpoint-url', s3.server.url, 's3', ...args], { env: environment({}), timeout: TIMEOUT_MS });
    await aws('mb', 's3://aws-bucket');
    await aws('cp', '--recursive', '--quiet', source, 's3://aws-bucket/tree');
    expect((await aws('ls', '--recursive', 's3://aws-bucket')).stdout.trim().split('\n')).toHaveLength(NAMES.length);
    await aws('mv', '--quiet', 's3://aws-bucket/tree/sub/dir/large.bin', 's3://aws-bucket/moved/sub/dir/large.bin');
    await aws('cp', '--recursive', '--quiet', 's3://aws-bucket/tree', target);
    await aws('cp', '--recursive', '--quiet', 's3://aws-bucket/moved', target);
    expectSameFiles();
    await aws('rb', '--force', 's3://aws-bucket');
    rmSync(target, { recursive: true });
  });
});

describe.skipIf(!isInstalled('rclone'))('the rclone command (skipped where it is not installed)', () => {
  it('copies a tree in and out, and finds no difference', { timeout: TIMEOUT_MS }, async () => {
    const env = environment({
      RCLONE_CONFIG: join(directory, 'rclone.conf'),
      RCLONE_CONFIG_SHORE_TYPE: 's3',
      RCLONE_CONFIG_SHORE_PROVIDER: 'Other',
      RCLONE_CONFIG_SHORE_ENDPOINT: s3.server.url,
      RCLONE_CONFIG_SHORE_ENV_AUTH: 'true',
      RCLONE_CONFIG_SHORE_REGION: 'us-east-1',
      RCLONE_S3_UPLOAD_CUTOFF: '6M',
      RCLONE_S3_CHUNK_SIZE: '5M',
    });
    const rclone = (...args: string[]) => run('rclone', args, { env, timeout: TIMEOUT_MS });
    await rclone('mkdir', 'shore:rclone-bucket');
    await rclone('copy', source, 'shore:rclone-bucket/tree');
    await rclone('check', '--download', source, 'shore:rclone-bucket/tree');
    await rclone('move', 'shore:rclone-bucket/tree', 'shore:rclone-bucket/moved');
    await rclone('copy', 'shore:rclone-bucket/moved', target);
    expectSameFiles();
    await rclone('purge', 'shore:rclone-bucket');
    rmSync(target, { recursive: true });
  });
});
