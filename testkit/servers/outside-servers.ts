/**
 * Servers that are not of the one-machine stack: a PostgreSQL, an S3 and an SQS server that run somewhere and may be filled.
 *
 * A vitest run that provides them lets every test fleet stand on them; see `test/containers/`.
 */
import { inject } from 'vitest';

export interface OutsideServers {
  /** Of a user that may create databases. */
  readonly databaseUrl: string;
  readonly s3: string;
  readonly sqs: string;
  /** For S3 and SQS. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

declare module 'vitest' {
  export interface ProvidedContext {
    outsideServers: OutsideServers;
  }
}

export function findOutsideServers(): OutsideServers | undefined {
  // Typed as always there; a run without outside servers provides none.
  return inject('outsideServers') as OutsideServers | undefined;
}
