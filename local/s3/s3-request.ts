/**
 * What a request names: bucket, key, query. Read from the raw target, because a key may hold `..`, `//` or a leading `/`, which
 * any URL parser would normalise away.
 */
import type { IncomingMessage } from 'node:http';
import { S3Error } from '#local/s3/s3-error.ts';

export interface S3Request {
  readonly message: IncomingMessage;
  readonly method: string;
  /** Decoded; the signature covers it. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  /** Empty: the service itself. */
  readonly bucket: string;
  /** Empty: the bucket itself. */
  readonly key: string;
}

/** The longest key that S3 takes, in UTF-8. */
const MAX_KEY_BYTES = 1024;
const VIRTUAL_HOST = /^(.+)\.localhost(?::\d+)?$/;

/** @throws S3Error `InvalidURI` where the target is not percent-encoded UTF-8. */
export function parseS3Request(message: IncomingMessage): S3Request {
  const target = message.url ?? '/';
  const queryStart = target.indexOf('?');
  const path = decode(queryStart < 0 ? target : target.slice(0, queryStart));
  const query = queryStart < 0 ? new Map<string, string>() : parseQuery(target.slice(queryStart + 1));
  const virtualBucket = VIRTUAL_HOST.exec(message.headers.host ?? '')?.[1];
  return { message, method: message.method ?? 'GET', path, query, ...parseResource(path, virtualBucket) };
}

function parseResource(path: string, virtualBucket: string | undefined): { bucket: string; key: string } {
  if (!path.startsWith('/')) throw new S3Error('InvalidURI', "Couldn't parse the specified URI.");
  if (virtualBucket !== undefined) return checked(virtualBucket, path.slice(1));
  const slash = path.indexOf('/', 1);
  return slash < 0 ? checked(path.slice(1), '') : checked(path.slice(1, slash), path.slice(slash + 1));
}

function checked(bucket: string, key: string): { bucket: string; key: string } {
  // A JS string of 341 units has at most 1,023 bytes.
  if (key.length > 341 && Buffer.byteLength(key) > MAX_KEY_BYTES)
    throw new S3Error('KeyTooLongError', 'Your key is too long.');
  // Neither an XML listing nor a header can carry it.
  if (key.includes('\0')) throw new S3Error('InvalidURI', 'A key holds no NUL.');
  return { bucket, key };
}

function parseQuery(raw: string): Map<string, string> {
  const query = new Map<string, string>();
  for (const pair of raw.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 0) query.set(decode(pair), '');
    else query.set(decode(pair.slice(0, equals)), decode(pair.slice(equals + 1).replaceAll('+', '%20')));
  }
  return query;
}

function decode(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error('InvalidURI', "Couldn't parse the specified URI.");
  }
}

/** `/bucket/key?versionId=v` of `x-amz-copy-source`. */
export function parseCopySource(header: string): { bucket: string; key: string; versionId: string | undefined } {
  const marker = header.lastIndexOf('?versionId=');
  const path = decode(marker < 0 ? header : header.slice(0, marker));
  const source = parseResource(path.startsWith('/') ? path : `/${path}`, undefined);
  if (source.bucket === '' || source.key === '')
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  return { ...source, versionId: marker < 0 ? undefined : decode(header.slice(marker + '?versionId='.length)) };
}

/** Percent-encodes as SigV4 and S3's `encoding-type=url` do: all but unreserved characters and `/`. */
export function encodeKey(text: string): string {
  return encodeComponent(text).replaceAll('%2F', '/');
}

/** Percent-encodes all but unreserved characters (RFC 3986). */
export function encodeComponent(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
