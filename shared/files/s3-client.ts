/**
 * The one place where an S3 client is made, so that no caller can wait for ever on an object store that hangs.
 *
 * 1. Every request has a connect, an idle and an overall bound; the SDK's own `requestTimeout` would only warn.
 * 2. Retries are bounded and few: whoever asks decides about more.
 * 3. Endpoint, region and credentials come from the SDK's own environment (`AWS_ENDPOINT_URL_S3`, `AWS_REGION`, ...).
 */
import { S3Client } from '@aws-sdk/client-s3';

export interface S3ClientConfig {
  /** True for servers that know no bucket host names, e.g. on one machine. */
  readonly LONGSHORE_S3_PATH_STYLE: boolean;
  /** Sockets to the store at once; 50 when absent. Unread bodies hold one each. */
  readonly maxSockets?: number;
  /** Bound from sending a request to its reply's head; 60 s when absent, since a part upload counts into it. */
  readonly requestTimeoutMs?: number;
  /** Tries of one request, the first included; 3 when absent. */
  readonly maxAttempts?: number;
  /** For tests: an endpoint other than the environment's. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

const CONNECT_TIMEOUT_MS = 3_000;
/** Without it a body that stops flowing is waited for for hours. */
const SOCKET_IDLE_TIMEOUT_MS = 30_000;

export function createS3Client(config: S3ClientConfig): S3Client {
  const { maxSockets = 50, requestTimeoutMs = 60_000, maxAttempts = 3 } = config;
  return new S3Client({
    forcePathStyle: config.LONGSHORE_S3_PATH_STYLE,
    maxAttempts,
    ...(config.endpoint !== undefined && { endpoint: config.endpoint }),
    ...(config.region !== undefined && { region: config.region }),
    ...(config.credentials !== undefined && { credentials: config.credentials }),
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: SOCKET_IDLE_TIMEOUT_MS,
      httpAgent: { keepAlive: true, maxSockets },
      httpsAgent: { keepAlive: true, maxSockets },
    },
  });
}
