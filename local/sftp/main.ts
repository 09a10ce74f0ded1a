/** The SFTP gateway's process. */
import { loadSftpGatewayConfig } from '#local/sftp/config.ts';
import { DEFAULT_LIMITS } from '#local/sftp/limits.ts';
import { loadOrCreateHostKey } from '#local/sftp/make-ssh-key.ts';
import { startSftpGateway } from '#local/sftp/start-sftp-gateway.ts';
import { openTransferJournal } from '#local/sftp/transfer-journal.ts';
import { createUserDirectory, type UserRow } from '#local/sftp/user-directory.ts';
import { connectDatabase } from '#shared/db/connect-database.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { startOperationsServer } from '#shared/runtime/health/operations-server.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';

const DRAIN_TIMEOUT_MS = 1_500;
const STOP_TIMEOUT_MS = 3_500;
/** The account in which the local queues stand. */
const ACCOUNT = '000000000000';

const config = loadSftpGatewayConfig();
const logger = createLogger({ service: 'sftp', level: config.LOG_LEVEL });
const sql = connectDatabase(config, 'longshore-sftp');
const store = createS3Client(config);
const journal = openTransferJournal(config.LONGSHORE_SFTP_DIRECTORY);

async function queryUser(username: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    SELECT u.tenant_id, u.public_key, u.home_prefix, (
      SELECT jsonb_agg(v.definition #> '{match,path}')
      FROM routes r JOIN route_versions v ON v.route_id = r.id AND v.version = r.active_version
      WHERE r.tenant_id = u.tenant_id AND r.disabled_at IS NULL
    ) AS route_globs
    FROM sftp_users u JOIN tenants t ON t.id = u.tenant_id
    WHERE u.username = ${username} AND u.disabled_at IS NULL AND u.removed_at IS NULL AND t.disabled_at IS NULL`;
  return row;
}

const gateway = await startSftpGateway({
  host: config.LONGSHORE_SFTP_HOST,
  port: config.LONGSHORE_SFTP_PORT,
  hostKey: loadOrCreateHostKey(config.LONGSHORE_SFTP_HOST_KEY_FILE),
  findUser: createUserDirectory({ queryUser }),
  store,
  landingBucket: bucketName(config.LONGSHORE_PREFIX, 'landing'),
  outboundBucket: bucketName(config.LONGSHORE_PREFIX, 'outbound'),
  journal,
  server: { serverId: config.LONGSHORE_SFTP_SERVER_ID, region: config.AWS_REGION, account: ACCOUNT },
  logger,
  limits: {
    ...DEFAULT_LIMITS,
    maxConnections: config.LONGSHORE_SFTP_MAX_CONNECTIONS,
    maxUnauthenticated: config.LONGSHORE_SFTP_MAX_UNAUTHENTICATED,
    maxSessionsPerUser: config.LONGSHORE_SFTP_MAX_SESSIONS_PER_USER,
    idleTimeoutMs: config.LONGSHORE_SFTP_IDLE_TIMEOUT_MS,
  },
});
const status = await startOperationsServer({
  host: config.LONGSHORE_HTTP_HOST,
  port: config.LONGSHORE_HTTP_PORT,
  registry: gateway.metrics.registry,
  liveness: () => ({ ok: true, detail: 'alive' }),
  readiness: () =>
    queryUser('').then(
      () => ({ ok: true, detail: 'ready' }),
      () => ({ ok: false, detail: 'the database does not answer' }),
    ),
});
logger.info({ port: gateway.port, statusPort: status.port }, 'SFTP gateway listens');
const signal = await stopSignal();
logger.info({ signal }, 'SFTP gateway stops');
const isClean = await stopAll({
  parts: [
    { name: 'database', stop: () => sql.end({ timeout: 1 }) },
    { name: 'status server', stop: status.stop },
    { name: 'SFTP gateway', stop: () => gateway.stop(DRAIN_TIMEOUT_MS) },
  ],
  timeoutMs: STOP_TIMEOUT_MS,
  logger,
});
journal.close();
store.destroy();
process.exit(isClean ? 0 : 1);
