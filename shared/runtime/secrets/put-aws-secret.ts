/** Puts a value into a secret of AWS Secrets Manager that is there already. */
import { PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

const DEADLINE_MS = 10_000;

export async function putAwsSecret(name: string, text: string): Promise<void> {
  const client = new SecretsManagerClient({ maxAttempts: 3 });
  try {
    await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: text }), {
      abortSignal: AbortSignal.timeout(DEADLINE_MS),
    });
  } finally {
    client.destroy();
  }
}
