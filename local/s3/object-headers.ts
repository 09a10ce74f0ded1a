/** Between an object's details and HTTP headers: what a write may set, and what a read answers. */
import { checksumHeader } from '#local/s3/checksum.ts';
import { readStorageClass, tierHeaders } from '#local/s3/cold-tiers.ts';
import { header, type S3Call } from '#local/s3/handler.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { NULL_VERSION, type ObjectDetails, type ObjectVersion } from '#local/s3/version-store.ts';
import { childText, malformedXml, type XmlElement } from '#local/s3/xml.ts';

type Pairs = ObjectDetails['tags'];

const STORED_HEADERS = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
];
/** Amazon S3, "Working with object metadata". */
const MAX_METADATA_BYTES = 2048;
const META_PREFIX = 'x-amz-meta-';

/** Content-Type and the like, and user metadata, of a request that writes. @throws S3Error `MetadataTooLarge`. */
export function readObjectHeaders(call: S3Call): Pick<ObjectDetails, 'headers' | 'metadata' | 'storageClass'> {
  const given = call.request.message.headers;
  const headers: [string, string][] = [];
  for (const name of STORED_HEADERS) {
    const value = name === 'content-encoding' ? withoutAwsChunked(header(call, name)) : header(call, name);
    if (value !== undefined) headers.push([name, value]);
  }
  if (given['content-type'] === undefined) headers.unshift(['content-type', 'binary/octet-stream']);
  const metadata: [string, string][] = [];
  let metadataBytes = 0;
  const add = (name: string, value: string) => {
    metadata.push([name, value]);
    metadataBytes += name.length + value.length;
  };
  for (const name of Object.keys(given))
    if (name.startsWith(META_PREFIX)) add(name.slice(META_PREFIX.length), header(call, name)!);
  // Presigning clients move signed headers into the query.
  if (call.auth.isPresigned)
    for (const [name, value] of call.request.query)
      if (name.toLowerCase().startsWith(META_PREFIX))
        add(name.toLowerCase().slice(META_PREFIX.length), Buffer.from(value).toString('latin1'));
  if (metadataBytes > MAX_METADATA_BYTES)
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size');
  return { headers, metadata, ...readStorageClass(call) };
}

/** `x-amz-tagging`. @throws S3Error `InvalidTag`. */
export function readTagHeader(call: S3Call): Pairs {
  const text = header(call, 'x-amz-tagging');
  return text === undefined ? [] : checkedTags([...new URLSearchParams(text)]);
}

/** A `Tagging` document. @throws S3Error `MalformedXML`, `InvalidTag`. */
export function readTagDocument(tagging: XmlElement): Pairs {
  const set = tagging.children.find((child) => child.name === 'TagSet');
  if (set === undefined) throw malformedXml();
  return checkedTags(
    set.children.map((tag) => {
      const key = childText(tag, 'Key');
      const value = childText(tag, 'Value');
      if (tag.name !== 'Tag' || key === undefined || value === undefined) throw malformedXml();
      return [key, value];
    }),
  );
}

function checkedTags(tags: [string, string][]): Pairs {
  const isValid =
    tags.length <= 10 &&
    new Set(tags.map(([key]) => key)).size === tags.length &&
    tags.every(([key, value]) => key.length >= 1 && key.length <= 128 && value.length <= 256);
  if (!isValid)
    throw new S3Error(
      'InvalidTag',
      'An object has at most 10 tags, their keys distinct and of 1 to 128 characters, their values of at most 256.',
    );
  return tags;
}

/** The headers of GetObject and HeadObject but the length. */
export function objectHeaders(call: S3Call, version: ObjectVersion, isWhole: boolean): Record<string, string> {
  const { headers, metadata, tags, checksum } = version.details;
  const reply: Record<string, string> = {
    ...Object.fromEntries(headers),
    ...versionHeader(version),
    etag: `"${version.etag}"`,
    'last-modified': new Date(version.modifiedMs).toUTCString(),
    'accept-ranges': 'bytes',
  };
  for (const [name, value] of metadata) reply[META_PREFIX + name] = value;
  Object.assign(reply, tierHeaders(version, call.store.now()));
  const status = call.store.replicationStatus(call.store.buckets.get(call.request.bucket), version);
  if (status !== undefined) reply['x-amz-replication-status'] = status;
  if (tags.length > 0) reply['x-amz-tagging-count'] = String(tags.length);
  // A checksum is of the whole object: with a range the client would hold it against other bytes.
  if (checksum !== undefined && isWhole && header(call, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    reply[checksumHeader(checksum.algorithm)] = checksum.value;
    reply['x-amz-checksum-type'] = checksum.type;
  }
  for (const name of STORED_HEADERS) {
    const override = call.request.query.get(`response-${name}`);
    if (override !== undefined) reply[name] = headerText(override);
  }
  return reply;
}

/** `x-amz-version-id`, where the object has one. */
export function versionHeader(version: ObjectVersion): Record<string, string> {
  return version.versionId === NULL_VERSION ? {} : { 'x-amz-version-id': version.versionId };
}

/** Header bytes are the UTF-8 of the text; a line break would start another header. */
function headerText(text: string): string {
  if (/[\r\n\0]/.test(text)) throw new S3Error('InvalidArgument', 'A response header holds no line break.');
  return Buffer.from(text).toString('latin1');
}

/** As it was given, where nothing is left out. */
function withoutAwsChunked(value: string | undefined): string | undefined {
  if (value?.includes('aws-chunked') !== true) return value;
  const codings = value.split(',').map((coding) => coding.trim());
  return codings.filter((coding) => coding !== '' && coding !== 'aws-chunked').join(', ') || undefined;
}
