/** ListMultipartUploads and ListParts. */
import { checksumElement } from '#local/s3/checksum.ts';
import { getUpload } from '#local/s3/find-upload.ts';
import { isoTime, type S3Call, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import { accountNode, ownerNode, readListQuery, readMax } from '#local/s3/list-query.ts';
import type { Upload } from '#local/s3/upload-store.ts';
import { commonPrefix } from '#local/s3/walk-versions.ts';
import { buildXml, type XmlNode } from '#local/s3/xml.ts';

const BATCH = 1000;

export function handleListUploads(call: S3Call): S3Reply {
  const { query, bucket } = call.request;
  const list = readListQuery(call, 'max-uploads');
  const keyMarker = query.get('key-marker') ?? '';
  const idMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '');
  const nodes: XmlNode[] = [];
  let last: Upload | undefined;
  let lastPrefix: string | undefined;
  let isTruncated = false;
  for (const upload of matchingUploads(call, { ...list, keyMarker, idMarker })) {
    const prefix = commonPrefix(upload.key, list.prefix, list.delimiter);
    if (prefix !== undefined && prefix === lastPrefix) {
      last = upload;
      continue;
    }
    if (nodes.length === list.max) {
      isTruncated = list.max > 0;
      break;
    }
    last = upload;
    lastPrefix = prefix;
    nodes.push(prefix === undefined ? uploadNode(upload) : ['CommonPrefixes', [['Prefix', list.encode(prefix)]]]);
  }
  return xmlReply(
    buildXml('ListMultipartUploadsResult', [
      ['Bucket', bucket],
      ['KeyMarker', list.encode(keyMarker)],
      ['UploadIdMarker', idMarker],
      ['NextKeyMarker', isTruncated && last !== undefined ? list.encode(last.key) : undefined],
      ['NextUploadIdMarker', isTruncated ? last?.id : undefined],
      ['Prefix', list.encode(list.prefix)],
      ['Delimiter', list.delimiter === '' ? undefined : list.encode(list.delimiter)],
      ['EncodingType', list.encodingType],
      ['MaxUploads', list.max],
      ['IsTruncated', isTruncated],
      ...nodes,
    ]),
  );

  function uploadNode({ key, id, createdMs, requester, checksumAlgorithm, checksumType }: Upload): XmlNode {
    const initiated: XmlNode = ['Initiated', isoTime(createdMs)];
    return [
      'Upload',
      [
        ['Key', list.encode(key)],
        ['UploadId', id],
        accountNode('Initiator', requester),
        ownerNode(call),
        ['StorageClass', 'STANDARD'],
        initiated,
        ['ChecksumAlgorithm', checksumAlgorithm],
        ['ChecksumType', checksumType],
      ],
    ];
  }
}

/** In the order of keys, then of age. Without an id marker the marker's key is skipped altogether. */
function* matchingUploads(
  { store }: S3Call,
  place: { bucketId: number; prefix: string; keyMarker: string; idMarker: string },
): Generator<Upload> {
  const { bucketId, prefix, keyMarker, idMarker } = place;
  // '~' sorts after everything that an upload id holds.
  let key = keyMarker;
  let id = idMarker === '' ? '~' : idMarker;
  while (true) {
    const uploads = store.uploads.scan(bucketId, key, id, BATCH);
    for (const upload of uploads) if (upload.key.startsWith(prefix)) yield upload;
    const last = uploads.at(-1);
    if (last === undefined || uploads.length < BATCH) return;
    ({ key, id } = last);
  }
}

export function handleListParts(call: S3Call): S3Reply {
  const { query, bucket, key } = call.request;
  const upload = getUpload(call);
  const max = readMax(query.get('max-parts'), 'max-parts');
  const marker = Math.min(Number.parseInt(query.get('part-number-marker') ?? '0', 10) || 0, 10_000);
  const parts = call.store.uploads.listParts(upload.id, marker, max + 1);
  const isTruncated = max > 0 && parts.length > max;
  const shown = parts.slice(0, max);
  return xmlReply(
    buildXml('ListPartsResult', [
      ['Bucket', bucket],
      ['Key', key],
      ['UploadId', upload.id],
      ['PartNumberMarker', marker],
      ['NextPartNumberMarker', shown.at(-1)?.number ?? marker],
      ['MaxParts', max],
      ['IsTruncated', isTruncated],
      ['Initiator', [['ID', upload.requester]]],
      ['StorageClass', 'STANDARD'],
      ['ChecksumAlgorithm', upload.checksumAlgorithm],
      ['ChecksumType', upload.checksumType],
      ...shown.map(
        ({ number, modifiedMs, etag, sizeBytes, checksum }): XmlNode => [
          'Part',
          [
            ['PartNumber', number],
            ['LastModified', isoTime(modifiedMs)],
            ['ETag', `"${etag}"`],
            ['Size', sizeBytes],
            [checksumElement(upload.checksumAlgorithm), checksum === '' ? undefined : checksum],
          ],
        ],
      ),
    ]),
  );
}
