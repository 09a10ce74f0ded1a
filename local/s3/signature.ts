/**
 * Checks Signature Version 4, in the Authorization header or in a presigned URL (Amazon S3 API reference, "Authenticating
 * requests").
 *
 * 1. Nothing is anonymous: a request without a valid signature is refused.
 * 2. `host` and every `x-amz-*` header that is there must be signed, or a third party could add to a signed request.
 */
import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { S3Error } from '#local/s3/s3-error.ts';
import { encodeComponent, encodeKey, type S3Request } from '#local/s3/s3-request.ts';

export interface S3Credential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Who it is, in events. */
  readonly name: string;
}

/** What signed chunks of a body continue from. */
export interface ChunkSigning {
  readonly signingKey: KeyObject;
  readonly timestamp: string;
  readonly scope: string;
  readonly seedSignature: string;
}

export interface Authenticated {
  readonly requester: string;
  readonly isPresigned: boolean;
  /** `x-amz-content-sha256`: a hex digest, `UNSIGNED-PAYLOAD` or `STREAMING-...`. */
  readonly payloadHash: string;
  readonly chunkSigning: ChunkSigning;
}

export interface SignatureCheckerOptions {
  readonly credentials: readonly S3Credential[];
  /** When absent, a signature for any region is right. */
  readonly region?: string;
  /** Of the credential scope; S3 when absent. */
  readonly services?: readonly string[];
  readonly now: () => number;
}

interface SignedClaim {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly timestamp: string;
  readonly payloadHash: string;
  readonly expiresAfterMs: number | undefined;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const MAX_SKEW_MS = 15 * 60_000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600;
/** A key a day and region; more means someone is making up scopes. */
const MAX_CACHED_KEYS = 256;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+?)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})\s*$/;
const TIMESTAMP = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/**
 * Throws an S3Error where a request is not authentic. Services but S3 sign the SHA-256 of the body, which is given once the body is
 * there, and have no presigned requests here.
 */
export type CheckSignature = (request: SignedRequest, bodySha256?: string) => Authenticated;

export type SignedRequest = Pick<S3Request, 'method' | 'path' | 'query'> & {
  readonly message: Pick<S3Request['message'], 'headers'>;
};

export function createSignatureChecker(options: SignatureCheckerOptions): CheckSignature {
  const credentials = new Map(options.credentials.map((credential) => [credential.accessKeyId, credential]));
  const signingKeys = new Map<string, KeyObject>();

  function signingKeyOf(credential: S3Credential, { date, region, service }: SignedClaim): KeyObject {
    const name = `${credential.accessKeyId}/${date}/${region}/${service}`;
    let key = signingKeys.get(name);
    if (key === undefined) {
      if (signingKeys.size >= MAX_CACHED_KEYS) signingKeys.clear();
      const bytes = [date, region, service, 'aws4_request'].reduce<Buffer>(
        (secret, part) => createHmac('sha256', secret).update(part).digest(),
        Buffer.from(`AWS4${credential.secretAccessKey}`),
      );
      // As an object: each use of bytes makes one, at four times the cost of the signature (10 µs instead of 2).
      key = createSecretKey(bytes);
      signingKeys.set(name, key);
    }
    return key;
  }

  return function authenticate(request, bodySha256) {
    const isPresigned = bodySha256 === undefined && isPresignedRequest(request);
    const claim = isPresigned ? claimOfQuery(request) : claimOfHeader(request, bodySha256);
    const credential = credentials.get(claim.accessKeyId);
    if (credential === undefined)
      throw new S3Error('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.');
    checkScope(claim, options, isPresigned);
    checkTime(claim, options.now());
    checkSignedHeaders(request, claim.signedHeaders);

    const signingKey = signingKeyOf(credential, claim);
    const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
    const canonicalHash = hash('sha256', Buffer.from(canonicalRequest(request, claim), 'latin1'));
    const expected = createHmac('sha256', signingKey)
      .update(`${ALGORITHM}\n${claim.timestamp}\n${scope}\n${canonicalHash}`)
      .digest();
    if (!timingSafeEqual(expected, Buffer.from(claim.signature, 'hex')))
      throw new S3Error(
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
      );
    const chunkSigning = { signingKey, timestamp: claim.timestamp, scope, seedSignature: claim.signature };
    return { requester: credential.name, isPresigned, payloadHash: claim.payloadHash, chunkSigning };
  };
}

function isPresignedRequest({ query }: SignedRequest): boolean {
  return query.has('X-Amz-Signature') || query.has('X-Amz-Algorithm');
}

function claimOfHeader({ message }: SignedRequest, bodySha256: string | undefined): SignedClaim {
  const { authorization } = message.headers;
  if (authorization === undefined || authorization === '') throw new S3Error('AccessDenied', 'Access Denied');
  const match = AUTHORIZATION.exec(authorization);
  if (match === null)
    throw new S3Error('AuthorizationHeaderMalformed', 'The authorization header that you provided is not valid.');
  const payloadHash = bodySha256 ?? message.headers['x-amz-content-sha256'];
  if (typeof payloadHash !== 'string')
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  return {
    ...parseCredential(match[1]!, 'AuthorizationHeaderMalformed'),
    signedHeaders: match[2]!.split(';'),
    signature: match[3]!,
    timestamp: String(message.headers['x-amz-date'] ?? ''),
    payloadHash,
    expiresAfterMs: undefined,
  };
}

function claimOfQuery({ message, query }: SignedRequest): SignedClaim {
  const fail = (text: string) => new S3Error('AuthorizationQueryParametersError', text);
  const signature = query.get('X-Amz-Signature') ?? '';
  const expires = query.get('X-Amz-Expires') ?? '';
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) throw fail(`X-Amz-Algorithm only supports "${ALGORITHM}"`);
  if (message.headers.authorization !== undefined)
    throw new S3Error(
      'InvalidArgument',
      'Only one way of authentication is allowed: the URL or the Authorization header.',
    );
  if (!/^[0-9a-f]{64}$/.test(signature)) throw fail('X-Amz-Signature must be 64 hexadecimal digits');
  if (!/^-?\d+$/.test(expires)) throw fail('X-Amz-Expires must be a number of seconds');
  if (Number(expires) < 1 || Number(expires) > MAX_EXPIRES_SECONDS)
    throw new S3Error('AccessDenied', 'X-Amz-Expires must be between 1 and 604800 seconds');
  const header = message.headers['x-amz-content-sha256'];
  return {
    ...parseCredential(query.get('X-Amz-Credential') ?? '', 'AuthorizationQueryParametersError'),
    signedHeaders: (query.get('X-Amz-SignedHeaders') ?? '').split(';'),
    signature,
    timestamp: query.get('X-Amz-Date') ?? '',
    payloadHash: query.get('X-Amz-Content-Sha256') ?? (typeof header === 'string' ? header : 'UNSIGNED-PAYLOAD'),
    expiresAfterMs: Number(expires) * 1000,
  };
}

function parseCredential(
  text: string,
  code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError',
): Pick<SignedClaim, 'accessKeyId' | 'date' | 'region' | 'service'> {
  const [accessKeyId, date, region, service, terminator, ...rest] = text.split('/');
  if (!accessKeyId || !date || !region || !service || terminator !== 'aws4_request' || rest.length > 0)
    throw new S3Error(code, 'The credential must be <access key>/<date>/<region>/<service>/aws4_request.');
  return { accessKeyId, date, region, service };
}

function checkScope(
  claim: SignedClaim,
  { region, services = ['s3'] }: SignatureCheckerOptions,
  isPresigned: boolean,
): void {
  const code = isPresigned ? 'AuthorizationQueryParametersError' : 'AuthorizationHeaderMalformed';
  if (!services.includes(claim.service))
    throw new S3Error(code, `The credential scope must name the service ${services.join(' or ')}.`);
  if (region !== undefined && claim.region !== region)
    throw new S3Error(code, `The region '${claim.region}' is wrong; expecting '${region}'`);
  if (!claim.timestamp.startsWith(claim.date))
    throw new S3Error(code, 'The date of the credential scope is not that of the request.');
}

function checkTime(claim: SignedClaim, nowMs: number): void {
  const match = TIMESTAMP.exec(claim.timestamp);
  if (match === null)
    throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, number, ...number[]];
  const signedMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const isTooEarly = signedMs - nowMs > MAX_SKEW_MS;
  if (claim.expiresAfterMs === undefined) {
    if (isTooEarly || nowMs - signedMs > MAX_SKEW_MS)
      throw new S3Error(
        'RequestTimeTooSkewed',
        'The difference between the request time and the current time is too large.',
      );
  } else if (isTooEarly) throw new S3Error('AccessDenied', 'Request is not valid yet');
  else if (nowMs > signedMs + claim.expiresAfterMs) throw new S3Error('AccessDenied', 'Request has expired');
}

function checkSignedHeaders({ message }: SignedRequest, signedHeaders: readonly string[]): void {
  const signed = new Set(signedHeaders);
  const isCovered =
    signed.has('host') &&
    Object.keys(message.headers).every((name) => !name.startsWith('x-amz-') || signed.has(name)) &&
    signedHeaders.every((name) => message.headers[name] !== undefined);
  if (!isCovered) throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed');
}

function canonicalRequest({ message, method, path, query }: SignedRequest, claim: SignedClaim): string {
  const pairs: string[] = [];
  for (const [name, value] of query)
    if (name !== 'X-Amz-Signature') pairs.push(`${encodeComponent(name)}=${encodeComponent(value)}`);
  let headers = '';
  // Node decodes header bytes as latin1; hashed as latin1 they are the client's bytes again.
  for (const name of claim.signedHeaders) headers += `${name}:${canonicalValue(message.headers[name])}\n`;
  return [
    method,
    encodeKey(path),
    pairs.sort(compareEncodedPairs).join('&'),
    headers,
    claim.signedHeaders.join(';'),
    claim.payloadHash,
  ].join('\n');
}

function canonicalValue(value: string | string[] | undefined): string {
  return String(value ?? '')
    .trim()
    .replace(/ {2,}/g, ' ');
}

/** By name, then value: `a=` sorts before `a-b=`, which plain comparison of the pairs would turn round. */
function compareEncodedPairs(a: string, b: string): number {
  const nameA = a.slice(0, a.indexOf('='));
  const nameB = b.slice(0, b.indexOf('='));
  if (nameA !== nameB) return nameA < nameB ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
