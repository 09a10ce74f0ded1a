/**
 * The one place where S3 clients are made, so that no caller can wait for ever on an object store that hangs.
 *
 * 1. Every request has a connect, an idle and, but for parts, an overall bound; the SDK's own `requestTimeout` would only warn.
 * 2. Retries are bounded and few: whoever asks decides about more.
 * 3. Endpoint, region and credentials come from the SDK's own environment (`AWS_ENDPOINT_URL_S3`, `AWS_REGION`, ...).
 */
import type { LookupFunction } from 'node:net';
import { S3Client, type S3ClientConfig as S3ClientConfigOfSdk } from '@aws-sdk/client-s3';
import { leavePartsUnsigned } from '#shared/files/copies/leave-parts-unsigned.ts';
import { correctClockSkew } from '#shared/files/correct-clock-skew.ts';
import { type ReplicaConfig, useReplicas } from '#shared/files/replica-buckets.ts';
import { limitRequests } from '#shared/files/s3-requests.ts';
import { RequestSha256 } from '#shared/runtime/request-sha256.ts';
import { trimClient } from '#shared/runtime/trim-client.ts';

export interface S3ClientConfig extends ReplicaConfig {
  /** True for servers that have no bucket host names, e.g. on one machine. */
  readonly LONGSHORE_S3_PATH_STYLE: boolean;
  /** Requests under way at once, those beyond wait without a deadline of theirs running (`s3-requests.ts`); 50 when absent. */
  readonly maxRequests?: number;
  /** Bound from sending a request to its reply's head; 60 s when absent, since a part upload counts into it. */
  readonly requestTimeoutMs?: number;
  /** Tries of one request, the first included; 3 when absent. */
  readonly maxAttempts?: number;
  /** Of an external store, and for tests: others than the environment's. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: NonNullable<S3ClientConfigOfSdk['credentials']>;
  /** Of names; the system's when absent. */
  readonly lookup?: LookupFunction;
}

export interface PartClientConfig extends S3ClientConfig {
  /** A request over which no byte comes for so long has failed. */
  readonly stallMs: number;
}

const CONNECT_TIMEOUT_MS = 3_000;
/** Without it a body that stops flowing is waited for for hours. */
const SOCKET_IDLE_TIMEOUT_MS = 30_000;

export function createS3Client(config: S3ClientConfig): S3Client {
  return limited(new S3Client(clientConfig(config)), config);
}

/**
 * For the parts of large copies.
 *
 * 1. No bound on a whole request but one on standing still: a part takes as long as its line is slow.
 * 2. No repetition by the SDK: `copy-part.ts` repeats parts.
 * 3. No checksums by the SDK, whose are computed in JavaScript: parts come with their own (`part-checksum.ts`), and need no other.
 */
export function createPartClient({ stallMs, ...config }: PartClientConfig): S3Client {
  const client = limited(
    new S3Client({
      ...clientConfig({ ...config, requestTimeoutMs: 0, maxAttempts: 1 }, stallMs),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
    config,
  );
  leavePartsUnsigned(client);
  return client;
}

/**
 * For presigned URLs alone: sends nothing. Checksums of the SDK would be those of an empty body.
 *
 * `endpoint`: as senders reach the store; the environment's when absent.
 */
export function createPresigner(config: S3ClientConfig): S3Client {
  const client = new S3Client({
    ...clientConfig(config),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  useReplicas(client, config);
  return client;
}

function limited(client: S3Client, { maxRequests = 50, ...config }: S3ClientConfig): S3Client {
  useReplicas(client, config);
  limitRequests(client, maxRequests);
  correctClockSkew(client);
  return trimClient(client);
}

function clientConfig(config: S3ClientConfig, socketTimeoutMs = SOCKET_IDLE_TIMEOUT_MS): S3ClientConfigOfSdk {
  const { requestTimeoutMs = 60_000, maxAttempts = 3, lookup } = config;
  const agent = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, ...(lookup !== undefined && { lookup }) };
  return {
    forcePathStyle: config.LONGSHORE_S3_PATH_STYLE,
    maxAttempts,
    sha256: RequestSha256,
    ...(config.endpoint !== undefined && { endpoint: config.endpoint }),
    ...(config.region !== undefined && { region: config.region }),
    ...(config.credentials !== undefined && { credentials: config.credentials }),
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: socketTimeoutMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}
