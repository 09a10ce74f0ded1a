import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetBucketVersioningCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { sendFiles } from '#local/launcher/send-files.ts';
import { claimPorts, HIGHEST_OFFSET } from '#local/ports.ts';
import { type Stack, type StartStackOptions, startStack } from '#local/stack.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { resolveQueueUrls } from '#shared/queue/queue-urls.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { BUCKET_IDS, bucketName, QUEUE_IDS, queueName } from '#shared/runtime/config/resource-names.ts';
import { readLogs } from '#testkit/checks/read-logs.ts';
import { startProcess, type TestProcess, withCompileCache } from '#testkit/servers/start-process.ts';

let parent: string;
let home: string;
let stacks: Stack[];
let launchers: TestProcess[];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'longshore-stack-'));
  home = join(parent, 'home');
  stacks = [];
  launchers = [];
});

afterEach(async () => {
  await Promise.all(stacks.map((stack) => stack.stop()));
  for (const launcher of launchers) launcher.kill('SIGKILL');
  await vi.waitFor(() => expect(pidsOf(parent)).toEqual([]), { timeout: 60_000, interval: 100 });
  await rm(parent, { recursive: true, force: true });
});

/** The parts without the services, which have their own suites. */
async function startParts(options: Partial<StartStackOptions> = {}): Promise<Stack> {
  const env = { all: withCompileCache({}) };
  const stack = await startStack({ home, portBase: 'free', services: [], isDisposable: true, env, ...options });
  stacks.push(stack);
  return stack;
}

/** Living processes whose command line or environment names `path`: children and grandchildren of its stack. */
function pidsOf(path: string): number[] {
  const { stdout } = spawnSync('ps', ['axeww', '-o', 'pid=,stat=,args='], { encoding: 'utf8', maxBuffer: 64 << 20 });
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, state, ...rest]) => state !== undefined && !state.startsWith('Z') && rest.join(' ').includes(path))
    .map(([pid]) => Number(pid))
    .filter((pid) => pid !== process.pid);
}

/** Files and directories below `path` that others than their owner may read, but for what PostgreSQL keeps itself. */
async function findShared(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  const modes = await Promise.all(names.map(async (name) => ({ name, mode: (await stat(name)).mode & 0o777 })));
  return modes.filter(({ mode }) => (mode & 0o077) !== 0).map(({ name }) => name);
}

function s3Of({ env }: Stack) {
  return createS3Client({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? '',
    region: env.AWS_REGION ?? '',
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' },
  });
}

describe('a stack', () => {
  test('has its buckets, queues, keys and addresses, and keeps its data when it is started again', async () => {
    const first = await startParts({ tenants: [{ id: 'acme', name: 'Acme' }] });
    const file = join(home, 'endpoints.json');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(first.endpoints);
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    const s3 = s3Of(first);
    const landing = bucketName('longshore', 'landing');
    for (const bucket of BUCKET_IDS) {
      const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket: bucketName('longshore', bucket) }));
      expect(Status).toBe('Enabled');
    }
    await s3.send(new PutObjectCommand({ Bucket: landing, Key: 'acme/kept.txt', Body: 'still here' }));
    const sqs = createSqsClient({
      region: first.env.AWS_REGION ?? '',
      endpoint: first.endpoints.sqs,
      credentials: {
        accessKeyId: first.env.AWS_ACCESS_KEY_ID ?? '',
        secretAccessKey: first.env.AWS_SECRET_ACCESS_KEY ?? '',
      },
    });
    await resolveQueueUrls({ client: sqs, names: QUEUE_IDS.map((queue) => queueName('longshore', queue)) });
    expect(await findShared(parent)).toEqual([]);
    await first.stop();
    expect(pidsOf(parent)).toEqual([]);

    const second = await startParts();
    expect(second.endpoints.tenants).toEqual(first.endpoints.tenants);
    const kept = await s3Of(second).send(new GetObjectCommand({ Bucket: landing, Key: 'acme/kept.txt' }));
    expect(await kept.Body?.transformToString()).toBe('still here');
  });

  test('takes files of a tenant through its front door', async () => {
    const stack = await startParts({ tenants: [{ id: 'acme' }] });
    const directory = fileURLToPath(new URL('launcher', import.meta.url));
    const access = stack.endpoints.tenants.acme!;
    await sendFiles({ ...stack.endpoints.sftp, access, directory });
    const landing = bucketName('longshore', 'landing');
    const sent = await s3Of(stack).send(new GetObjectCommand({ Bucket: landing, Key: 'acme/send-files.ts' }));
    expect(await sent.Body?.transformToString()).toBe(await readFile(join(directory, 'send-files.ts'), 'utf8'));
  });

  test('starts each part again that is killed, at the same address', async () => {
    const stack = await startParts();
    for (const [name, child] of Object.entries(stack.processes)) {
      const before = child.pid!;
      process.kill(before, 'SIGKILL');
      await vi.waitFor(() => expect(child.restarts, name).toBe(1), { timeout: 60_000 });
      await vi.waitFor(() => expect(child.pid, name).toBeTypeOf('number'), { timeout: 60_000 });
      expect(child.pid).not.toBe(before);
    }
    const sql = connectLauncher(stack.endpoints.postgres);
    expect([...(await sql`SELECT 1 AS one`)]).toEqual([{ one: 1 }]);
    await sql.end({ timeout: 1 });
  });

  test('runs beside another one in another home', async () => {
    const [first, second] = await Promise.all([startParts(), startParts({ home: join(parent, 'other') })]);
    expect(first!.endpoints.s3).not.toBe(second!.endpoints.s3);
    expect(first!.env.AWS_SECRET_ACCESS_KEY).not.toBe(second!.env.AWS_SECRET_ACCESS_KEY);
  });
});

describe('a launcher', () => {
  const program = `
    import { startStack } from '${new URL('stack.ts', import.meta.url).href}';
    const stack = await startStack({ home: process.argv[1], portBase: Number(process.argv[2]), services: [] });
    const asked = new Promise((resolve) => process.once('SIGTERM', resolve));
    console.log('ready');
    await asked;
    await stack.stop();
    process.exit(0);
  `;

  async function launch(portBase: number): Promise<TestProcess> {
    const child = startProcess(['--input-type=module', '-e', program, home, String(portBase)]);
    launchers.push(child);
    await child.untilLine(/^ready$/);
    return child;
  }

  test('killed with -9 takes all children along within 5 seconds, and the next start at once works', async () => {
    const { base } = await claimPorts();
    const first = await launch(base);
    const children = pidsOf(home).filter((pid) => pid !== first.pid);
    expect(children.length).toBeGreaterThanOrEqual(5);
    first.kill('SIGKILL');
    const second = await launch(base);
    expect(pidsOf(home).filter((pid) => children.includes(pid))).toEqual([]);
    second.kill('SIGKILL');
    await vi.waitFor(() => expect(pidsOf(home)).toEqual([]), { timeout: 60_000, interval: 50 });
  });

  test('asked to stop ends everything, and has to kill nothing', async () => {
    const launcher = await launch((await claimPorts()).base);
    expect(await launcher.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await readLogs(home)).not.toContain('did not stop within');
    expect(pidsOf(home)).toEqual([]);
  });
});

describe('npm start', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));

  async function runMain(
    env: Record<string, string>,
    options: readonly string[] = [],
  ): Promise<{ code: number | null; output: string }> {
    const child = startProcess([main, ...options], { env: { PATH: '/usr/bin:/bin', ...env } });
    launchers.push(child);
    const { code } = await child.ended;
    return { code, output: child.lines.join('\n') };
  }

  test('asked for help prints its options and starts nothing', async () => {
    const { code, output } = await runMain({ LONGSHORE_HOME: home }, ['--help']);
    expect(code).toBe(0);
    expect(output).toMatch(/^Usage: npm start -- \[options\]\n/);
    expect(output).toContain('--scale');
    expect(pidsOf(home)).toEqual([]);
  });

  test.each([
    ['an unknown option', {}, ['--scall'], "Unknown option '--scall'. Run the command with --help for its options.\n"],
    [
      'a port base that is not a number',
      { LONGSHORE_PORT_BASE: 'abc' },
      [],
      'The configuration is invalid:\n' +
        `  LONGSHORE_PORT_BASE: must be a whole number from 1 to ${65_535 - HIGHEST_OFFSET}\n`,
    ],
  ])('with %s says so in one sentence', async (_, env, options, expected) => {
    const { code, output } = await runMain({ LONGSHORE_HOME: home, ...env }, options);
    expect(code).toBe(1);
    expect(output.startsWith(expected.trimEnd())).toBe(true);
    expect(output).not.toMatch(/TypeError|NaN|ERR_/);
  });

  test('with a log level that does not exist says which there are', async () => {
    const { code, output } = await runMain({
      LONGSHORE_HOME: home,
      LONGSHORE_PORT_BASE: String((await claimPorts()).base),
      LOG_LEVEL: 'verbose',
    });
    expect(code).toBe(1);
    expect(output).toMatch(/LOG_LEVEL: .*"fatal"\|"error"\|"warn"\|"info"\|"debug"\|"trace"\|"silent"/);
  });

  test('in a home that is in use says so in one sentence', async () => {
    const stack = await startParts();
    const { code, output } = await runMain({ LONGSHORE_HOME: home });
    expect(code).toBe(1);
    expect(output).toMatch(/^The home .* is in use by a running instance \(process \d+\): .*LONGSHORE_HOME\.$/);
    expect(stack.processes.postgres?.pid).toBeTypeOf('number');
  });

  test('on a port that is in use says so in one sentence and starts nothing', async () => {
    const stack = await startParts();
    const base = Number(new URL(stack.endpoints.s3).port);
    const { code, output } = await runMain({
      LONGSHORE_HOME: join(parent, 'other'),
      LONGSHORE_PORT_BASE: String(base),
    });
    expect(code).toBe(1);
    expect(output).toMatch(/^Another process listens on port \d+ of 127\.0\.0\.1, which .* needs: .*\.$/);
    expect(pidsOf(join(parent, 'other'))).toEqual([]);
  });
});
