/** The compose file as compose reads it: its form, the variables of each service by that service's own schema, and the files it mounts. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { memoryFlags } from '#shared/runtime/config/memory.ts';
import { findVariables } from '#testkit/checks/find-variables.ts';
import { startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { startFauxqs } from '#testkit/servers/start-fauxqs.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';
import { SERVICES, stopTimeoutSeconds } from './services/service-catalogue.ts';

const ROOT = new URL('.', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

const environment = z.record(z.string(), z.string());
/** What of the Compose Specification the file uses, and no more: an unknown word is a fault, as it is for compose. */
const serviceSchema = z.strictObject({
  image: z.string(),
  build: z
    .strictObject({
      context: z.string(),
      dockerfile: z.string(),
      args: z.record(z.string(), z.string()),
      secrets: z.array(z.string()),
      target: z.string().optional(),
    })
    .optional(),
  command: z.array(z.string()).optional(),
  environment: environment.default({}),
  volumes: z.array(z.string().regex(/^[^:]+:\/[^:]+(:ro)?$/)).default([]),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/, 'is open to this machine alone')).default([]),
  depends_on: z
    .record(
      z.string(),
      z.strictObject({ condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']) }),
    )
    .default({}),
  healthcheck: z
    .strictObject({ test: z.array(z.string()), interval: z.string(), timeout: z.string(), retries: z.number() })
    .optional(),
  restart: z.enum(['unless-stopped', 'on-failure:10']),
  init: z.boolean().optional(),
  read_only: z.boolean().optional(),
  user: z.string().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  tmpfs: z.array(z.string()).optional(),
  mem_limit: z.string().optional(),
  stop_grace_period: z
    .string()
    .regex(/^\d+s$/)
    .optional(),
});
const composeSchema = z
  .strictObject({
    name: z.string(),
    services: z.record(z.string(), serviceSchema),
    volumes: z.record(z.string(), z.strictObject({})),
    secrets: z.strictObject({ npmrc: z.strictObject({ file: z.string() }) }),
    'x-fleet': z.unknown(),
    'x-environment': z.unknown(),
  })
  .transform(({ services, volumes }) => ({ services, volumes }));

const PASSWORDS = { POSTGRES_PASSWORD: 'p', S3_PASSWORD: 's', GRAFANA_PASSWORD: 'g' };

/** `${NAME:-default}` and `${NAME:?message}`, the two forms that the file uses. */
function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+):([-?])([^}]*)\}/g, (_whole, name: string, kind: string, rest: string) => {
    const value = variables[name] ?? (kind === '-' ? rest : undefined);
    if (value === undefined) throw new Error(`${name}: ${rest}`);
    return value;
  });
}

const readCompose = (variables: Readonly<Record<string, string>>) =>
  composeSchema.parse(parse(interpolate(read('compose.yaml'), variables), { merge: true }));
const { services, volumes } = readCompose(PASSWORDS);

test('refuses to start without passwords, and takes every image from a variable', () => {
  for (const name of Object.keys(PASSWORDS)) {
    expect(() => readCompose({ ...PASSWORDS, [name]: undefined as unknown as string })).toThrow(`${name}: set it`);
  }
  const images = ['LONGSHORE', 'LONGSHORE_SFTP', 'POSTGRES', 'S3', 'SQS', 'SNS', 'PROMETHEUS', 'GRAFANA'].map(
    (of) => `${of}_IMAGE`,
  );
  const own = readCompose({ ...PASSWORDS, ...Object.fromEntries(images.map((name) => [name, `mine/${name}`])) });
  expect(Object.values(own.services).filter(({ image }) => !image.startsWith('mine/'))).toEqual([]);
  expect(images.filter((name) => !read('compose/.env.example').includes(`${name}=`))).toEqual([]);
});

test.each(SERVICES)('$name is given what its own schema takes, and time to drain', ({ name, loadConfig }) => {
  const service = services[name];
  expect(service?.command).toEqual(['node', ...memoryFlags(name), `services/${name}/main.ts`]);
  const config = loadConfig(service?.environment ?? {});
  expect(Number.parseInt(service?.stop_grace_period ?? '0', 10)).toBeGreaterThanOrEqual(stopTimeoutSeconds(config));
  const variables = findVariables();
  const known = [...(variables['Every service'] ?? []), ...(variables[name] ?? [])].map((one) => one.name);
  const ofSdk = /^AWS_(ENDPOINT_URL_\w+|ACCESS_KEY_ID|SECRET_ACCESS_KEY|EC2_METADATA_DISABLED)$/;
  const given = Object.keys(service?.environment ?? {});
  expect(given.filter((variable) => !known.includes(variable) && !ofSdk.test(variable))).toEqual([]);
});

test('containers of the fleet run without rights: no root, nothing to write to, no capabilities', () => {
  for (const name of ['prepare', 'keeper', 'sftp', 'event-bridge', ...SERVICES.map((service) => service.name)]) {
    expect(services[name]).toMatchObject({ read_only: true, user: '10001:10001', cap_drop: ['ALL'] });
  }
});

test('what is mounted, waited for and asked is there', () => {
  for (const { volumes: mounts, depends_on: awaited, environment: given } of Object.values(services)) {
    for (const mount of mounts) {
      const source = mount.split(':')[0] ?? '';
      // People make their own directory of secrets.
      if (source === './compose/secrets') continue;
      const isThere = source.startsWith('./') ? existsSync(new URL(source, ROOT)) : source in volumes;
      expect(isThere, source).toBe(true);
    }
    expect(Object.keys(awaited).filter((name) => !(name in services))).toEqual([]);
    const hosts = Object.values(given).flatMap((value) => /^\w+:\/\/(?:[^@/]*@)?([\w-]+):\d+/.exec(value)?.[1] ?? []);
    expect(hosts.filter((host) => !(host in services))).toEqual([]);
  }
});

test('Prometheus reads every process of ours, and Grafana asks that Prometheus', () => {
  const { scrape_configs: scraped } = parse(read('compose/prometheus.yaml')) as {
    readonly scrape_configs: readonly { readonly job_name: string; readonly dns_sd_configs: readonly object[] }[];
  };
  const own = ['sftp', 'event-bridge', ...SERVICES.map(({ name }) => name)];
  expect(scraped.map(({ job_name: job }) => job).sort()).toEqual(own.sort());
  for (const { job_name: job, dns_sd_configs: found } of scraped) {
    expect(found).toEqual([expect.objectContaining({ names: [job], port: 9464 })]);
  }
  const { datasources } = parse(read('compose/grafana-datasources.yaml')) as {
    readonly datasources: readonly object[];
  };
  expect(datasources).toEqual([
    expect.objectContaining({ type: 'prometheus', url: 'http://prometheus:9090' }),
    expect.objectContaining({ type: 'grafana-postgresql-datasource', user: 'longshore_reader', url: 'postgres:5432' }),
  ]);
  const { providers } = parse(read('compose/grafana-dashboards.yaml')) as {
    readonly providers: readonly { readonly options: { readonly path: string } }[];
  };
  expect(services.grafana?.volumes).toContain(`./grafana/dashboards:${providers[0]?.options.path}:ro`);
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

test.skipIf(!hasPromtool)('promtool takes both configurations (needs promtool, which comes with Prometheus)', () => {
  for (const path of ['compose/prometheus.yaml', 'prometheus/one-machine.yaml']) {
    const words = ['check', 'config', '--syntax-only', fileURLToPath(new URL(path, ROOT))];
    expect(execFileSync('promtool', words, { encoding: 'utf8' })).toContain('SUCCESS');
  }
});

test('prepare makes what is not there, shows the operator key once, and can be repeated', async () => {
  const database = await createTestDatabase({ isEmpty: true });
  const [s3, queues] = [await startTestServer(), await startFauxqs()];
  const prepare = async () => {
    const env = withCompileCache({
      ...queues.env,
      AWS_ENDPOINT_URL_S3: s3.server.url,
      AWS_ACCESS_KEY_ID: TEST_CREDENTIAL.accessKeyId,
      AWS_SECRET_ACCESS_KEY: TEST_CREDENTIAL.secretAccessKey,
      LONGSHORE_S3_PATH_STYLE: 'true',
      DATABASE_URL: database.url,
      LONGSHORE_PREFIX: 'composed',
      LONGSHORE_READER_PASSWORD: "it's a secret",
    });
    const main = fileURLToPath(new URL('compose/prepare.ts', ROOT));
    const { stdout } = await promisify(execFile)(process.execPath, [main], { env });
    return stdout;
  };
  try {
    const first = await prepare();
    expect(first).toMatch(/schema: there\nbuckets: there\nqueues: there\ntopics: there\nrole of Grafana: there\n/);
    expect(first).toMatch(/operator key, shown this once: ls_[\w-]{43}\n/);
    const second = await prepare();
    expect(second).toMatch(/schema: there\nbuckets: there\nqueues: there\ntopics: there\n/);
    expect(second).not.toContain('ls_');
  } finally {
    await Promise.all([s3.stop(), queues.stop()]);
    await database.drop();
  }
});
