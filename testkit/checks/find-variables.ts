/**
 * Every variable of every process with its default, as `name=default`: names from the source of its `config.ts`, since optional ones show
 * nowhere else, defaults from what the configuration is without them.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig as loadCommandConfig } from '#cli/config.ts';
import { loadEventBridgeConfig } from '#local/event-bridge/config.ts';
import { loadQueueServerConfig } from '#local/fauxqs/config.ts';
import { loadGatewayConfig } from '#local/gateway/config.ts';
import { loadLauncherConfig } from '#local/launcher/config.ts';
import { loadPartnerSimulatorConfig } from '#local/partner-simulator/config.ts';
import { loadS3Config } from '#local/s3/config.ts';
import { loadSftpGatewayConfig } from '#local/sftp/config.ts';
import { loadAuthorizerConfig } from '#services/authorizer/config.ts';
import { readConfig as loadControlApiConfig } from '#services/control-api/config.ts';
import { loadIngestorConfig } from '#services/ingestor/config.ts';
import { loadLargeFileWorkerConfig } from '#services/large-file-worker/config.ts';
import { loadMigrationConfig } from '#services/migration/config.ts';
import { loadPartnerWorkerConfig } from '#services/partner-worker/config.ts';
import { loadRetrySweeperConfig } from '#services/retry-sweeper/config.ts';
import { loadRouterConfig } from '#services/router/config.ts';
import { databaseVariables } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { copyVariables } from '#shared/runtime/config/copy-variables.ts';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

type Load = (env: Record<string, string>) => object;

/** By the heading of its table. */
const PROCESSES: readonly (readonly [heading: string, config: string, load: Load])[] = [
  ['ingestor', 'services/ingestor/config.ts', loadIngestorConfig],
  ['router', 'services/router/config.ts', loadRouterConfig],
  ['partner-worker', 'services/partner-worker/config.ts', loadPartnerWorkerConfig],
  ['large-file-worker', 'services/large-file-worker/config.ts', loadLargeFileWorkerConfig],
  ['retry-sweeper', 'services/retry-sweeper/config.ts', loadRetrySweeperConfig],
  ['control-api', 'services/control-api/config.ts', loadControlApiConfig],
  ['authorizer', 'services/authorizer/config.ts', loadAuthorizerConfig],
  ['migration', 'services/migration/config.ts', loadMigrationConfig],
  ['npm start', 'local/launcher/config.ts', loadLauncherConfig],
  ['SFTP gateway', 'local/sftp/config.ts', loadSftpGatewayConfig],
  ['S3 server', 'local/s3/config.ts', loadS3Config],
  ['event bridge', 'local/event-bridge/config.ts', loadEventBridgeConfig],
  ['queue server', 'local/fauxqs/config.ts', loadQueueServerConfig],
  ['API gateway stand-in', 'local/gateway/config.ts', loadGatewayConfig],
  ['partner simulator', 'local/partner-simulator/config.ts', loadPartnerSimulatorConfig],
  ['longshore command', 'cli/config.ts', loadCommandConfig],
];

export async function findVariables(): Promise<Record<string, string[]>> {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-variables-'));
  try {
    const values = await makeValues(directory);
    const found: Record<string, string[]> = {
      'Every service': withDefaults(Object.keys(fleetVariables), loadIngestorConfig, values),
    };
    for (const [heading, path, load] of PROCESSES) {
      const source = await readFile(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
      const own = [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map(([, name]) => name!);
      // Services take all of the fleet's variables, which stand in a table of their own; other processes pick some.
      const picked = Object.entries({ copyVariables, databaseVariables, secretVariables }).flatMap(
        ([name, variables]) => (source.includes(`...${name}`) ? Object.keys(variables) : []),
      );
      found[heading] = withDefaults([...own, ...picked], load, values);
    }
    return found;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function withDefaults(names: readonly string[], load: Load, values: Readonly<Record<string, string>>): string[] {
  const required = requiredOf(load);
  const given = Object.fromEntries(required.map((name) => [name, values[name] ?? '']));
  const defaults = load(given) as Record<string, unknown>;
  return names
    .map((name) => `${name}=${required.includes(name) ? 'required' : String(defaults[name] ?? '') || 'none'}`)
    .sort();
}

/** Those whose absence is a fault. */
function requiredOf(load: Load): string[] {
  try {
    load({});
    return [];
  } catch (error) {
    if (!(error instanceof LongshoreError)) throw error;
    return error.message.split('\n').flatMap((line) => /^ {2}([A-Z0-9_]+): /.exec(line)?.[1] ?? []);
  }
}

/** What is good enough for each that is required. */
async function makeValues(directory: string): Promise<Record<string, string>> {
  const credentials = join(directory, 'credentials.json');
  await writeFile(credentials, '[{"accessKeyId":"id","secretAccessKey":"12345678","name":"test"}]');
  return {
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'secret',
    LONGSHORE_HTTP_PORT: '1',
    LONGSHORE_SFTP_PORT: '1',
    LONGSHORE_SFTP_DIRECTORY: directory,
    LONGSHORE_SFTP_HOST_KEY_FILE: directory,
    LONGSHORE_S3_PORT: '1',
    LONGSHORE_S3_DIRECTORY: directory,
    LONGSHORE_S3_CREDENTIALS_FILE: credentials,
    LONGSHORE_QUEUES_DIRECTORY: directory,
    LONGSHORE_AUTHORIZER_ISSUER: 'urn:test',
    LONGSHORE_AUTHORIZER_AUDIENCE: 'test',
    LONGSHORE_AUTHORIZER_JWKS_URL: 'http://127.0.0.1:1/jwks.json',
    LONGSHORE_AUTHORIZER_RULES: '[{"method":"*","path":"/*","scopes":["all"]}]',
    LONGSHORE_GATEWAY_BACKEND_URL: 'http://127.0.0.1:1',
    LONGSHORE_SIMULATOR_DIRECTORY: directory,
    LONGSHORE_SIMULATOR_CLIENTS_FILE: credentials,
  };
}
