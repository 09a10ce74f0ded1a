/**
 * The password of Amazon RDS with IAM authentication: a signed token, good for 15 minutes, made again for each connection. Nothing has
 * to be rotated, and no password is in any environment. Signing is local: no request is made.
 */
import type { Signer } from '@aws-sdk/rds-signer';

const DEFAULT_PORT = 5432;

/** Region and credentials come from the SDK's own environment. */
export function createIamPassword(databaseUrl: string): () => Promise<string> {
  const { hostname, port, username } = new URL(databaseUrl);
  let signer: Promise<Signer> | undefined;
  // Loaded here and not before: only on AWS is it needed.
  const load = async () => {
    const sdk = await import('@aws-sdk/rds-signer');
    return new sdk.Signer({
      hostname,
      port: Number(port || DEFAULT_PORT),
      username: decodeURIComponent(username),
    });
  };
  return async () => {
    signer ??= load();
    return await (await signer).getAuthToken();
  };
}
