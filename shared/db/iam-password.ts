/**
 * The password of Amazon RDS with IAM authentication: a signed token, good for 15 minutes, made anew for each connection. Nothing has
 * to be rotated, and no password stands in any environment. Signing is local: no request is made.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const DEFAULT_PORT = 5432;

/** Region and credentials come from the SDK's own environment. */
export function createIamPassword(databaseUrl: string): () => Promise<string> {
  // Loaded here and not before: only on AWS is it needed.
  const { Signer } = require('@aws-sdk/rds-signer') as typeof import('@aws-sdk/rds-signer');
  const { hostname, port, username } = new URL(databaseUrl);
  const signer = new Signer({
    hostname,
    port: Number(port || DEFAULT_PORT),
    username: decodeURIComponent(username),
  });
  return () => signer.getAuthToken();
}
