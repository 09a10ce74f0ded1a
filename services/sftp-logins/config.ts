/** The variables of the function that AWS Transfer Family asks about logins. */
import { z } from 'zod';
import { databaseVariables } from '#shared/db/connect-database.ts';
import { ownSecretNameSchema } from '#shared/definitions/name-schemas.ts';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';
import { integerVariable, loadConfig, logLevelVariable } from '#shared/runtime/config/load-config.ts';
import { secretVariables } from '#shared/runtime/secrets/create-secret-store.ts';

export const variables = z.object({
  ...databaseVariables,
  LONGSHORE_PREFIX: fleetVariables.LONGSHORE_PREFIX,
  LONGSHORE_SFTP_SESSION_ROLE: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'must be the ARN of a role')
    .describe('Role that a session assumes, narrowed by a policy to the user’s own directories.'),
  LONGSHORE_SFTP_OTHER_FUNCTION: z
    .string()
    .regex(/^[A-Za-z0-9-_]{1,64}$/, 'must be the name of a function')
    .optional()
    .describe('Function that is asked about users who are not known here: that of another home’s standby.'),
  LONGSHORE_SFTP_PASSWORD_URL: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe(
      'Token endpoint of the identity provider that checks passwords; https. Passwords are refused without it.',
    ),
  LONGSHORE_SFTP_PASSWORD_CLIENT_ID: z.string().min(1).optional().describe('Client id at that provider.'),
  LONGSHORE_SFTP_PASSWORD_CLIENT_SECRET_NAME: ownSecretNameSchema
    .optional()
    .describe('Name in the secret store of the client secret, for a client that has one.'),
  LONGSHORE_SFTP_PASSWORD_SCOPE: z.string().min(1).optional().describe('Scope that is asked for.'),
  LONGSHORE_SFTP_PASSWORD_TIMEOUT_MS: integerVariable({ min: 100, max: 8_000 })
    .default(5_000)
    .describe('Deadline for the answer of the identity provider.'),
  ...secretVariables,
  LOG_LEVEL: logLevelVariable
    .default('info')
    .describe('`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.'),
});

const schema = variables.superRefine((read, context) => {
  if ((read.LONGSHORE_SFTP_PASSWORD_URL === undefined) === (read.LONGSHORE_SFTP_PASSWORD_CLIENT_ID === undefined))
    return;
  const path = ['LONGSHORE_SFTP_PASSWORD_CLIENT_ID'];
  context.addIssue({ code: 'custom', path, message: 'is set with LONGSHORE_SFTP_PASSWORD_URL, or neither of them' });
});

export type SftpLoginsConfig = z.output<typeof variables>;

/** @throws LongshoreError `CONFIG_INVALID` with every fault. */
export function loadSftpLoginsConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
): SftpLoginsConfig {
  return loadConfig(schema, env);
}
