/**
 * The image and the compose file, built and run. Both need a container engine that answers as `docker`, and are skipped elsewhere:
 *
 * - the image, when `LONGSHORE_TEST_BASE_IMAGE` names a base image with Node 24 (and `LONGSHORE_TEST_NPMRC` a file with settings of npm, if need be);
 * - the compose file, when `LONGSHORE_TEST_COMPOSE_ENV_FILE` names a file of its variables as well: images, passwords.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { type Stack, startStack } from '#local/stack.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { connectSftp } from '#testkit/servers/sftp-client.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { SERVICES, stopTimeoutSeconds } from './services/service-catalogue.ts';

const {
  LONGSHORE_TEST_BASE_IMAGE: baseImage,
  LONGSHORE_TEST_NPMRC: npmrc,
  LONGSHORE_TEST_COMPOSE_ENV_FILE: composeEnvFile,
} = process.env;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const IMAGE = `longshore-test:${process.pid}`;
const BUILD_TIMEOUT_MS = 600_000;
const RUN_TIMEOUT_MS = 120_000;
/** Any file of the context serves: no test signs in to Amazon RDS. */
const RDS_CA_BUNDLE = 'package.json';
/** As the platforms run it. */
const CONFINED = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function tryDocker(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const options = { cwd: ROOT, env: { ...process.env, DOCKER_BUILDKIT: '1', ...env }, maxBuffer: 64 * 1024 * 1024 };
  execFile('docker', args, options, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
  );
  return promise;
}

async function docker(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await tryDocker(args, env);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: exit code ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(join(ROOT, name), 'utf8')) as T;
}

function findHindrance(): string | undefined {
  if (baseImage === undefined) return 'LONGSHORE_TEST_BASE_IMAGE names no base image';
  const { status } = spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 10_000 });
  return status === 0 ? undefined : 'no container engine answers';
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => void server.close(resolve))));
  return ports;
}

const hindrance = findHindrance();
const suffix = hindrance === undefined ? '' : ` (skipped: ${hindrance})`;

describe.skipIf(hindrance !== undefined)(`the image${suffix}`, () => {
  beforeAll(async () => {
    const args = ['--build-arg', `NODE_IMAGE=${baseImage}`, '--build-arg', `RDS_CA_BUNDLE=${RDS_CA_BUNDLE}`];
    const secret = npmrc === undefined ? [] : ['--secret', `id=npmrc,src=${npmrc}`];
    await docker(['build', '--file', 'deploy/Dockerfile', '--tag', IMAGE, ...args, ...secret, '.']);
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await tryDocker(['image', 'rm', '--force', IMAGE]);
  }, RUN_TIMEOUT_MS);

  /** Runs a script in the image, as whoever asks. */
  const look = (script: string, ...options: string[]) =>
    docker(['run', '--rm', '--network=none', ...options, IMAGE, 'node', '-e', script]);

  test('runs as a numeric user without rights, asks for its own health, and is told no secrets', async () => {
    const [{ Config: config }] = JSON.parse(await docker(['image', 'inspect', IMAGE])) as [{ Config: ImageConfig }];
    expect(config.User).toBe('10001:10001');
    expect(config.Healthcheck.Test).toEqual(['CMD', 'node', 'deploy/check-health.mjs']);
    expect(config.Env).toContain('NODE_ENV=production');
    expect(config.Env.filter((line) => /secret|password|token|key/i.test(line))).toEqual([]);
    if (npmrc === undefined) return;
    const history = await docker(['history', '--no-trunc', '--format', '{{.CreatedBy}}', IMAGE]);
    const settings = readFileSync(npmrc, 'utf8').split('\n');
    expect(settings.filter((line) => line.length > 8 && history.includes(line))).toEqual([]);
    expect(await look(`console.log(require('node:fs').existsSync('/root/.npmrc'))`, '--user=0')).toBe('false\n');
  });

  test('holds what the services run: no tests, no packages of development, nothing its user may write to', async () => {
    const { dependencies } = readJson<Packages>('package.json');
    // Of the packages that only development names, some are there all the same: packages of production need them as well.
    const ofDevelopment = Object.entries(readJson<Lockfile>('package-lock.json').packages)
      .filter(([, { dev }]) => dev === true)
      .map(([path]) => path);
    const found = JSON.parse(
      await look(`
        const { accessSync, constants, existsSync, readdirSync } = require('node:fs');
        const own = ['deploy', 'services', 'shared'].flatMap((folder) =>
          readdirSync(folder, { recursive: true }).map((path) => folder + '/' + path));
        const isWritable = (path) => { try { accessSync(path, constants.W_OK); return true; } catch { return false; } };
        const isThere = (name) => existsSync('node_modules/' + name);
        console.log(JSON.stringify({
          top: readdirSync('.').sort(),
          deploy: readdirSync('deploy'),
          console: readdirSync('console'),
          tests: own.filter((path) => path.endsWith('.test.ts')),
          writable: ['.', 'package.json', ...own].filter(isWritable),
          missing: ${JSON.stringify(Object.keys(dependencies))}.filter((name) => !isThere(name)),
          ofDevelopment: ${JSON.stringify(ofDevelopment)}.filter((path) => existsSync(path)),
        }));`),
    ) as unknown;
    expect(found).toEqual({
      top: ['console', 'deploy', 'node_modules', 'package.json', 'sbom.cdx.json', 'services', 'shared'],
      deploy: ['check-health.mjs'],
      console: ['dist'],
      tests: [],
      writable: [],
      missing: [],
      ofDevelopment: [],
    });
  });

  test.each([...SERVICES.map(({ name }) => name), 'migration'])(
    '%s says what its configuration lacks, and ends',
    async (name) => {
      const { code, stderr } = await tryDocker([
        ...['run', '--rm', '--network=none', ...CONFINED, IMAGE, 'node', `services/${name}/main.ts`],
      ]);
      expect(code).toBe(1);
      expect(stderr).toContain('The configuration is invalid:\n  DATABASE_URL: ');
      expect(stderr).not.toMatch(/^\s+at /m);
    },
    RUN_TIMEOUT_MS,
  );

  describe('beside the servers that it needs', () => {
    let parent: string;
    let database: TestDatabase;
    let stack: Stack;
    const started: string[] = [];

    beforeAll(async () => {
      parent = mkdtempSync(join(tmpdir(), 'longshore-container-'));
      database = await createTestDatabase();
      stack = await startStack({
        home: join(parent, 'home'),
        portBase: 'free',
        services: [],
        isDisposable: true,
      });
    }, RUN_TIMEOUT_MS);

    afterAll(async () => {
      if (started.length > 0) await tryDocker(['rm', '--force', ...started]);
      await stack?.stop();
      await database?.drop();
      rmSync(parent, { recursive: true, force: true });
    }, RUN_TIMEOUT_MS);

    test('the migration makes the schema of an empty database, and can be repeated', async () => {
      const empty = await createTestDatabase({ isEmpty: true });
      try {
        const options = ['--rm', '--network=host', ...CONFINED, '--env', `DATABASE_URL=${empty.url}`];
        const migrate = () => docker(['run', ...options, IMAGE, 'node', 'services/migration/main.ts']);
        expect(await migrate()).toContain('database migrated');
        expect(await migrate()).toContain('database migrated');
      } finally {
        await empty.drop();
      }
    });

    test.each(SERVICES)(
      '$name becomes healthy on a read-only root, and ends at SIGTERM with exit code 0',
      async ({ name, loadConfig }) => {
        const [port = 0, apiPort = 0] = await freePorts(2);
        const variables = {
          ...stack.env,
          DATABASE_URL: database.url,
          LONGSHORE_HTTP_PORT: String(port),
          ...(name === 'control-api' && { LONGSHORE_API_PORT: String(apiPort) }),
          LONGSHORE_SECRETS_DIRECTORY: '/run/longshore/secrets',
        };
        const environment = Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
        const options = ['--init', '--network=host', '--health-interval=1s', ...CONFINED, ...environment];
        const id = (await docker(['run', '--detach', ...options, IMAGE, 'node', `services/${name}/main.ts`])).trim();
        started.push(id);
        const state = async (field: string) =>
          (await docker(['inspect', '--format', `{{.State.${field}}}`, id])).trim();
        const explain = () => docker(['logs', id]);
        const isHealthy = async () => (await state('Health.Status')) === 'healthy';
        await waitUntil('the container is healthy', isHealthy, { timeoutMs: 60_000, explain });
        const isReady = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
        await waitUntil('the service is ready', isReady, { timeoutMs: 30_000, explain });
        await docker(['stop', '-t', String(stopTimeoutSeconds(loadConfig(variables))), id]);
        expect(await state('ExitCode'), await explain()).toBe('0');
      },
      RUN_TIMEOUT_MS,
    );
  });
});

const composeHindrance =
  hindrance ??
  (composeEnvFile === undefined ? 'LONGSHORE_TEST_COMPOSE_ENV_FILE names no file of variables' : undefined);
const composeSuffix = composeHindrance === undefined ? '' : ` (skipped: ${composeHindrance})`;

describe.skipIf(composeHindrance !== undefined)(`the compose file${composeSuffix}`, () => {
  const project = `longshore-test-${process.pid}`;
  const variables: Record<string, string> = {};
  const files = ['--env-file', composeEnvFile ?? '', '--file', 'deploy/compose.yaml'];
  const compose = (...args: string[]) => docker(['compose', '--project-name', project, ...files, ...args], variables);
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'longshore-compose-up-'));
    const ports = await freePorts(5);
    for (const [index, name] of ['API_PORT', 'S3_PORT', 'PROMETHEUS_PORT', 'GRAFANA_PORT', 'SFTP_PORT'].entries()) {
      variables[name] = String(ports[index]);
    }
    Object.assign(variables, {
      LONGSHORE_IMAGE: `${IMAGE}-compose`,
      LONGSHORE_SFTP_IMAGE: `${IMAGE}-sftp`,
      NODE_IMAGE: baseImage,
      RDS_CA_BUNDLE,
    });
    if (npmrc !== undefined) variables.NPMRC = npmrc;
    await compose('up', '--build', '--wait');
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await tryDocker(
      ['compose', '--project-name', project, ...files, 'down', '--volumes', '--timeout', '30'],
      variables,
    );
    await tryDocker(['image', 'rm', '--force', `${IMAGE}-compose`, `${IMAGE}-sftp`]);
    rmSync(directory, { recursive: true, force: true });
  }, RUN_TIMEOUT_MS);

  test(
    'files put by SFTP and into the bucket are delivered, an upload that was cut off is not, and Prometheus reads every process',
    async () => {
      const access = { sftpUser: 'acme-sftp', privateKeyFile: join(directory, 'key'), apiKeyFile: '' };
      const pair = makeSshKey();
      writeFileSync(access.privateKeyFile, pair.private, { mode: 0o600 });
      const operatorKeyFile = join(directory, 'operator.key');
      const [operatorKey = ''] = /ls_[\w-]{43}/.exec(await compose('logs', 'prepare')) ?? [];
      writeFileSync(operatorKeyFile, operatorKey, { mode: 0o600 });
      const longshore = async (...args: string[]) => {
        const api = ['--api', `http://127.0.0.1:${variables.API_PORT}`, '--key-file', operatorKeyFile];
        return (await promisify(execFile)(process.execPath, ['cli/main.ts', ...args, ...api], { cwd: ROOT })).stdout;
      };
      const definitions = join(directory, 'acme.yaml');
      const documents = definitionsOf(access.sftpUser, pair.public).map((one) => JSON.stringify(one));
      writeFileSync(definitions, documents.join('\n---\n'));
      await longshore('apply', '-f', definitions);

      const s3 = await connectS3();
      const bodies = {
        'by-s3.txt': 'put into the bucket\n',
        'by-sftp.txt': 'put by SFTP\n',
        'later.txt': 'put later\n',
      };
      const ofBucket = { Bucket: 'longshore-landing', Key: 'acme/inbound/by-s3.txt', Body: bodies['by-s3.txt'] };
      await s3.send(new PutObjectCommand(ofBucket));
      const server = { host: '127.0.0.1', port: Number(variables.SFTP_PORT) };
      const sftp = await connectSftp(server, access);
      await sftp.put('/inbound/by-sftp.txt', Buffer.from(bodies['by-sftp.txt']));
      await sftp.cutOff('/inbound/cut-off.txt', Buffer.from('the beginning'));
      const ended = async (name: string, status: string) =>
        (await longshore('files', '--name', name, '--status', status)).includes(name);
      for (const [name, status] of [
        ['by-s3.txt', 'completed'],
        ['by-sftp.txt', 'completed'],
        ['cut-off.txt', 'quarantined'],
      ] as const) {
        const explain = () => compose('logs', '--tail', '20');
        await waitUntil(`${name} is ${status}`, () => ended(name, status), { timeoutMs: 45_000, explain });
      }

      // A server that holds them in memory comes back without its queues.
      await compose('up', '--detach', '--force-recreate', '--no-deps', 'queues');
      await s3.send(new PutObjectCommand({ ...ofBucket, Key: 'acme/inbound/later.txt', Body: bodies['later.txt'] }));
      await waitUntil('the fleet goes on after its queues were lost', () => ended('later.txt', 'completed'), {
        timeoutMs: 120_000,
        explain: () => compose('logs', '--tail', '20'),
      });
      const delivered = await s3.send(new ListObjectsV2Command({ Bucket: 'longshore-delivered' }));
      const copies = await Promise.all(
        (delivered.Contents ?? []).map(async ({ Key = '' }) => {
          const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'longshore-delivered', Key }));
          return [Key.split('/').at(-1), await Body?.transformToString()];
        }),
      );
      expect(Object.fromEntries(copies)).toEqual(bodies);
      s3.destroy();

      const names = ['event-bridge', 'sftp', ...SERVICES.map(({ name }) => name)].sort();
      const readByPrometheus = async () => {
        const reply = await fetch(`http://127.0.0.1:${variables.PROMETHEUS_PORT}/api/v1/query?query=up==1`);
        const { data } = (await reply.json()) as { data: { result: { metric: { job: string } }[] } };
        return data.result.map(({ metric }) => metric.job).sort();
      };
      const isRead = async () => (await readByPrometheus()).join() === names.join();
      await waitUntil('Prometheus has read every process', isRead, { timeoutMs: 90_000, intervalMs: 1_000 });
    },
    BUILD_TIMEOUT_MS,
  );

  async function connectS3() {
    const { services } = JSON.parse(await compose('config', '--format', 'json')) as {
      services: { ingestor: { environment: { AWS_ACCESS_KEY_ID: string; AWS_SECRET_ACCESS_KEY: string } } };
    };
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = services.ingestor.environment;
    return createS3Client({
      LONGSHORE_S3_PATH_STYLE: true,
      endpoint: `http://127.0.0.1:${variables.S3_PORT}`,
      region: 'us-east-1',
      credentials: { accessKeyId, secretAccessKey },
    });
  }
});

/** A tenant with a user, and one route that delivers what comes. */
function definitionsOf(username: string, publicKey: string) {
  return [
    { kind: 'tenant', id: 'acme', name: 'Acme', timeZone: 'UTC', sftpUsers: [{ username, publicKey }] },
    { kind: 'route', tenant: 'acme', name: 'all', match: { path: 'inbound/**' }, steps: [{ deliver: {} }] },
  ];
}

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Healthcheck: { readonly Test: readonly string[] };
}

interface Packages {
  readonly dependencies: Readonly<Record<string, string>>;
}

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}
