/** ListObjects (both versions) and ListObjectVersions. */
import { checkVersionId } from '#local/s3/find-version.ts';
import { isoTime, type S3Call, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import { type ListQuery, ownerNode, readListQuery } from '#local/s3/list-query.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import type { ObjectVersion } from '#local/s3/version-store.ts';
import { type WalkEntry, type WalkOptions, walkVersions } from '#local/s3/walk-versions.ts';
import { buildXml, type XmlNode } from '#local/s3/xml.ts';

export async function handleListObjects(call: S3Call): Promise<S3Reply> {
  const { query } = call.request;
  const list = readListQuery(call, 'max-keys');
  const marker = query.get('marker') ?? '';
  const { entries, isTruncated } = await take(call, list, { after: marker, allVersions: false });
  const last = nameOf(entries.at(-1));
  return xmlReply(
    buildXml('ListBucketResult', [
      ...commonNodes(call, list, isTruncated),
      ['MaxKeys', list.max],
      ['Marker', list.encode(marker)],
      ['NextMarker', isTruncated && last !== undefined ? list.encode(last) : undefined],
      ...entries.map((entry) => objectNode(list, entry, ownerNode(call))),
    ]),
  );
}

export async function handleListObjectsV2(call: S3Call): Promise<S3Reply> {
  const { query } = call.request;
  const list = readListQuery(call, 'max-keys');
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const owner = query.get('fetch-owner') === 'true' ? ownerNode(call) : undefined;
  // An empty token is that of a client's first page.
  const after = token === undefined || token === '' ? (startAfter ?? '') : readToken(token);
  const { entries, isTruncated } = await take(call, list, { after, allVersions: false });
  const last = nameOf(entries.at(-1));
  return xmlReply(
    buildXml('ListBucketResult', [
      ...commonNodes(call, list, isTruncated),
      ['MaxKeys', list.max],
      ['KeyCount', entries.length],
      ['ContinuationToken', token],
      ['NextContinuationToken', isTruncated && last !== undefined ? writeToken(last) : undefined],
      ['StartAfter', startAfter === undefined ? undefined : list.encode(startAfter)],
      ...entries.map((entry) => objectNode(list, entry, owner)),
    ]),
  );
}

export async function handleListVersions(call: S3Call): Promise<S3Reply> {
  const { request } = call;
  const list = readListQuery(call, 'max-keys');
  const keyMarker = request.query.get('key-marker') ?? '';
  const versionMarker = request.query.get('version-id-marker') || undefined;
  const beforeSeq = versionMarker === undefined ? undefined : seqOfMarker(call, keyMarker, versionMarker);
  const start = beforeSeq === undefined ? {} : { beforeSeq };
  const { entries, isTruncated } = await take(call, list, { after: keyMarker, allVersions: true, ...start });
  const last = entries.at(-1);
  const lastName = nameOf(last);
  const lastVersion = last?.kind === 'version' ? last.version.versionId : undefined;
  return xmlReply(
    buildXml('ListVersionsResult', [
      ...commonNodes(call, list, isTruncated),
      ['MaxKeys', list.max],
      ['KeyMarker', list.encode(keyMarker)],
      ['VersionIdMarker', versionMarker ?? ''],
      ['NextKeyMarker', isTruncated && lastName !== undefined ? list.encode(lastName) : undefined],
      ['NextVersionIdMarker', isTruncated ? lastVersion : undefined],
      ...entries.map((entry) => versionNode(list, entry, ownerNode(call))),
    ]),
  );
}

function seqOfMarker({ store, request }: S3Call, key: string, versionId: string): number {
  if (key === '') throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.');
  checkVersionId(versionId);
  const found = store.versions.find(store.buckets.get(request.bucket).id, key, versionId);
  // Deleted since: its place in the order is still in its id.
  return found?.seq ?? Number.parseInt(versionId.slice(0, 11), 36);
}

/** One entry more than wanted is looked for, because only that shows whether the listing continues. */
async function take(
  { store }: S3Call,
  list: ListQuery,
  start: Pick<WalkOptions, 'after' | 'beforeSeq' | 'allVersions'>,
): Promise<{ entries: WalkEntry[]; isTruncated: boolean }> {
  const entries: WalkEntry[] = [];
  if (list.max === 0) return { entries, isTruncated: false };
  const { bucketId, prefix, delimiter, max } = list;
  for await (const entry of walkVersions(store.versions, { bucketId, prefix, delimiter, wanted: max, ...start })) {
    if (entries.length === max) return { entries, isTruncated: true };
    entries.push(entry);
  }
  return { entries, isTruncated: false };
}

function commonNodes({ request }: S3Call, list: ListQuery, isTruncated: boolean): XmlNode[] {
  return [
    ['Name', request.bucket],
    ['Prefix', list.encode(list.prefix)],
    ['Delimiter', list.delimiter === '' ? undefined : list.encode(list.delimiter)],
    ['EncodingType', list.encodingType],
    ['IsTruncated', isTruncated],
  ];
}

function nameOf(entry: WalkEntry | undefined): string | undefined {
  return entry?.kind === 'prefix' ? entry.prefix : entry?.version.key;
}

function objectNode(list: ListQuery, entry: WalkEntry, owner: XmlNode | undefined): XmlNode {
  if (entry.kind === 'prefix') return prefixNode(list, entry.prefix);
  const { version } = entry;
  return ['Contents', [['Key', list.encode(version.key)], ...contentNodes(version), ...(owner ? [owner] : [])]];
}

function versionNode(list: ListQuery, entry: WalkEntry, owner: XmlNode): XmlNode {
  if (entry.kind === 'prefix') return prefixNode(list, entry.prefix);
  const { version, isLatest } = entry;
  const nodes: XmlNode[] = [
    ['Key', list.encode(version.key)],
    ['VersionId', version.versionId],
    ['IsLatest', isLatest],
    owner,
  ];
  if (version.isDeleteMarker) return ['DeleteMarker', [...nodes, ['LastModified', isoTime(version.modifiedMs)]]];
  return ['Version', [...nodes, ...contentNodes(version)]];
}

function contentNodes({ modifiedMs, etag, sizeBytes, details }: ObjectVersion): XmlNode[] {
  return [
    ['LastModified', isoTime(modifiedMs)],
    ['ETag', `"${etag}"`],
    ['ChecksumAlgorithm', details.checksum?.algorithm],
    ['ChecksumType', details.checksum?.type],
    ['Size', sizeBytes],
    ['StorageClass', details.storageClass ?? 'STANDARD'],
  ];
}

function prefixNode(list: ListQuery, prefix: string): XmlNode {
  return ['CommonPrefixes', [['Prefix', list.encode(prefix)]]];
}

function writeToken(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function readToken(token: string): string {
  const name = Buffer.from(token, 'base64url').toString();
  if (writeToken(name) !== token) throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  return name;
}
