/** The secret store that the environment asks for: a directory of files on one machine, AWS Secrets Manager else. */
import { z } from 'zod';
import { createAwsSecretStore } from './create-aws-secret-store.ts';
import { createFileSecretStore } from './file-secret-store.ts';
import type { SecretStore } from './secret-store.ts';

/** The variables of every process that reads secrets. */
export const secretVariables = {
  LONGSHORE_SECRETS_DIRECTORY: z
    .string()
    .optional()
    .describe(
      'Directory with one file of mode 0600 for each secret, by tenant. Without it, secrets are in AWS Secrets Manager.',
    ),
  LONGSHORE_SECRETS_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9/_+=.@-]{1,128}$/, 'must be the beginning of the name of a secret')
    .default('longshore/')
    .describe('Prefix of secret names in AWS Secrets Manager.'),
  LONGSHORE_SECRETS_ROLE: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/, 'must be the ARN of a role')
    .optional()
    .describe(
      'Role in AWS whose sessions, tagged `longshore-tenant`, read the secrets of one tenant each. Without it, they are read as the fleet’s own are.',
    ),
};

export interface SecretConfig {
  readonly LONGSHORE_SECRETS_DIRECTORY?: string | undefined;
  readonly LONGSHORE_SECRETS_PREFIX: string;
  readonly LONGSHORE_SECRETS_ROLE?: string | undefined;
}

export function createSecretStore(config: SecretConfig): SecretStore {
  const { LONGSHORE_SECRETS_DIRECTORY: directory, LONGSHORE_SECRETS_PREFIX: prefix } = config;
  if (directory !== undefined) return createFileSecretStore(directory);
  return createAwsSecretStore({ prefix, tenantRole: config.LONGSHORE_SECRETS_ROLE });
}
