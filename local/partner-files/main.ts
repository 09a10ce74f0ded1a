/** The partner's file servers: SFTP and FTPS over one directory, for the examples. */
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { loadOrCreateHostKey } from '#local/sftp/make-ssh-key.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';
import { loadPartnerFilesConfig } from './config.ts';
import { startDiskFtpsServer } from './disk-ftps-server.ts';
import { startDiskSftpServer } from './disk-sftp-server.ts';
import { ensurePartnerFilesKeys } from './ensure-keys.ts';

const STOP_TIMEOUT_MS = 3_000;
const USER = 'flpids';

const config = loadPartnerFilesConfig();
const logger = createLogger({ service: 'partner-files', level: config.LOG_LEVEL });
const host = config.LONGSHORE_HTTP_HOST;
const directory = config.LONGSHORE_PARTNER_FILES_DIRECTORY;
await mkdir(directory, { recursive: true });
const keys = await ensurePartnerFilesKeys(
  config.LONGSHORE_PARTNER_FILES_KEYS,
  config.LONGSHORE_PARTNER_FILES_SECRETS,
  host,
);
const onLogin = (login: object): void => logger.info(login, 'login');
const sftp = await startDiskSftpServer({
  host,
  port: config.LONGSHORE_PARTNER_FILES_SFTP_PORT,
  hostKey: loadOrCreateHostKey(join(config.LONGSHORE_PARTNER_FILES_KEYS, 'host_ed25519')),
  users: [{ user: USER, password: keys.sftpPassword, directory }],
  onLogin,
});
const [first = 0, last = 0] = config.LONGSHORE_PARTNER_FILES_PASSIVE_PORTS.split('-').map(Number);
const ftps = await startDiskFtpsServer({
  host,
  port: config.LONGSHORE_PARTNER_FILES_FTPS_PORT,
  passivePorts: { first, last },
  ...keys.tls,
  users: [{ user: USER, password: keys.ftpsPassword, directory }],
  onLogin,
});
const health = createServer((_request, response) => response.end('ok'));
health.listen(config.LONGSHORE_HTTP_PORT, host);
logger.info({ sftp: sftp.port, ftps: ftps.port }, 'partner files listens');
const signal = await stopSignal();
logger.info({ signal }, 'partner files stops');
health.close();
const parts = [
  { name: 'sftp', stop: () => sftp.stop() },
  { name: 'ftps', stop: () => ftps.stop() },
];
await stopAll({ parts, timeoutMs: STOP_TIMEOUT_MS, logger });
process.exit(0);
