/** The SFTP gateway's process. */
import { loadSftpGatewayConfig } from '#local/sftp/config.ts';
import { DEFAULT_LIMITS } from '#local/sftp/limits.ts';
import { loadOrCreateHostKey } from '#local/sftp/make-ssh-key.ts';
import { startSftpGateway } from '#local/sftp/start-sftp-gateway.ts';
import { openTransferJournal } from '#local/sftp/transfer-journal.ts';
import { createUserDirectory } from '#local/sftp/user-directory.ts';
import { findSftpLogin } from '#shared/access/sftp-users.ts';
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

const gateway = await startSftpGateway({
  host: config.LONGSHORE_SFTP_HOST,
  port: config.LONGSHORE_SFTP_PORT,
  hostKey: loadOrCreateHostKey(config.LONGSHORE_SFTP_HOST_KEY_FILE),
  findUser: createUserDirectory({ queryUser: (username) => findSftpLogin(sql, username) }),
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
    findSftpLogin(sql, '').then(
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
