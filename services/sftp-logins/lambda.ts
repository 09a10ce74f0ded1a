/** What AWS Transfer Family calls at each login: the configuration is read, and a connection is kept, once per execution environment. */
import { connectDatabase } from '#shared/db/connect-database.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { createSecretStore } from '#shared/runtime/secrets/create-secret-store.ts';
import { checkPassword } from './check-password.ts';
import { loadSftpLoginsConfig } from './config.ts';
import { createLoginHandler } from './decide-login.ts';
import { findLoginAgain } from './find-login.ts';
import { createInvocation } from './invoke-function.ts';

const config = loadSftpLoginsConfig();
const sql = connectDatabase(config, 'longshore-sftp-logins');
const secrets = createSecretStore(config);

function passwordCheck(): ((username: string, password: string) => Promise<boolean>) | undefined {
  const {
    LONGSHORE_SFTP_PASSWORD_URL: url,
    LONGSHORE_SFTP_PASSWORD_CLIENT_ID: clientId,
    LONGSHORE_SFTP_PASSWORD_CLIENT_SECRET_NAME: secretName,
    LONGSHORE_SFTP_PASSWORD_SCOPE: scope,
    LONGSHORE_SFTP_PASSWORD_TIMEOUT_MS: timeoutMs,
  } = config;
  if (url === undefined || clientId === undefined) return undefined;
  const clientSecret = secretName === undefined ? undefined : async () => (await secrets.read(secretName)).text;
  return (username, password) => checkPassword({ url, clientId, clientSecret, scope, timeoutMs }, username, password);
}

export const handler = createLoginHandler({
  findLogin: (username) => findLoginAgain(sql, username),
  checkPassword: passwordCheck(),
  askOther:
    config.LONGSHORE_SFTP_OTHER_FUNCTION === undefined
      ? undefined
      : createInvocation(config.LONGSHORE_SFTP_OTHER_FUNCTION),
  places: { prefix: config.LONGSHORE_PREFIX, role: config.LONGSHORE_SFTP_SESSION_ROLE },
  logger: createLogger({ service: 'sftp-logins', level: config.LOG_LEVEL }),
});
