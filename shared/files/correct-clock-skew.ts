/**
 * Makes the SDK repeat what a store refused because this machine's clock is wrong, also where the refusal has no words.
 *
 * 1. The SDK measures the skew by the `Date` of each reply, and signs the next request by it. It repeats by the name of an error, which a HEAD's
 *    reply does not have, or by a skew of minutes, which is over when the clock jumped back.
 * 2. Here a refusal counts as one of the clock when the request's own time is minutes from the reply's.
 */
import type { S3Client } from '@aws-sdk/client-s3';

/** The SDK's bound; stores take 15 minutes. */
const SKEW_MS = 240_000;
const SIGNED_AT = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

interface Refusal {
  name: string;
  $metadata?: { httpStatusCode?: number; clockSkewCorrected?: boolean };
  readonly $response?: { readonly headers?: Readonly<Record<string, string | undefined>> };
}

export function correctClockSkew(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        const { headers } = args.request as { headers: Record<string, string | undefined> };
        const refusal = error as Refusal;
        if (
          refusal.$metadata?.httpStatusCode === 403 &&
          isSkewed(headers['x-amz-date'], refusal.$response?.headers?.date)
        ) {
          refusal.name = 'RequestTimeTooSkewed';
          refusal.$metadata.clockSkewCorrected = true;
        }
        throw error;
      }
    },
    { name: 'correctClockSkew', step: 'finalizeRequest', priority: 'low', override: true },
  );
}

/** The store's time in milliseconds since 1970, as its replies so far tell. */
export function storeTime(client: S3Client): number {
  return Date.now() + client.config.systemClockOffset;
}

function isSkewed(signedAt = '', repliedAt = ''): boolean {
  return Math.abs(Date.parse(signedAt.replace(SIGNED_AT, '$1-$2-$3T$4:$5:$6Z')) - Date.parse(repliedAt)) >= SKEW_MS;
}
