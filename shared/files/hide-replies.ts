/**
 * Lets nothing that an external store says reach a log or a message but words that are known: its replies may show what was sent to it,
 * a session's token or the signed text among that.
 *
 * 1. Of an error stay its name, where object stores have such errors, its HTTP status, and the system's code where there was no reply.
 * 2. The errors of the SDK's own repetition are left alone: this looks at what comes out of it.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { LongshoreError } from '#shared/errors.ts';
import { ADDRESS_REFUSED } from '#shared/http/address-guard.ts';
import { FAULTS_BY_NAME } from './classify-store-error.ts';
import { AmbiguousWriteError } from './store-error.ts';

const KNOWN = new Set([
  ...Object.keys(FAULTS_BY_NAME),
  'AccessDenied',
  'AllAccessDisabled',
  'AuthorizationHeaderMalformed',
  'EntityTooLarge',
  'EntityTooSmall',
  'InvalidAccessKeyId',
  'InvalidArgument',
  'InvalidBucketName',
  'InvalidObjectState',
  'InvalidRange',
  'InvalidRequest',
  'InvalidToken',
  'KeyTooLongError',
  'MethodNotAllowed',
  'PermanentRedirect',
  'QuotaExceeded',
  'SignatureDoesNotMatch',
  'TemporaryRedirect',
]);
/** Only they may be told that an object is not there. */
const READS = new Set(['HeadObjectCommand', 'GetObjectCommand']);

export function hideReplies(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        try {
          return await next(args);
        } catch (error) {
          throw withoutReply(error, READS.has(commandName));
        }
      },
    { name: 'hideReplies', step: 'initialize', priority: 'high', override: true },
  );
}

function withoutReply(error: unknown, isRead: boolean): unknown {
  if (error instanceof LongshoreError || !(error instanceof Error)) return error;
  if (error instanceof AmbiguousWriteError) return new AmbiguousWriteError(withoutReply(error.original, isRead));
  const { code, $metadata } = error as NodeJS.ErrnoException & { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  if (status === undefined) {
    const text = code === ADDRESS_REFUSED ? 'its address may not be called' : (code ?? error.name);
    return Object.assign(new Error(text), { name: error.name, code, $metadata: {} });
  }
  const name = KNOWN.has(error.name) ? error.name : nameOfUnknown(status, isRead);
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } });
}

/** To a write, `404` and the like without a word of an object store's come from something that is none. */
function nameOfUnknown(status: number, isRead: boolean): string {
  return !isRead && [404, 405, 412].includes(status) ? 'UnexpectedReply' : 'StoreError';
}
