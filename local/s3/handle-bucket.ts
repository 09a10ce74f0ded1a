/** Operations on buckets: create, delete, list, location, versioning and notifications. */
import { isoTime, type S3Call, type S3Handler, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import { ownerNode, readMax } from '#local/s3/list-query.ts';
import { receiveText } from '#local/s3/receive-body.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { buildXml, childText, malformedXml, parseXml } from '#local/s3/xml.ts';

const MAX_DOCUMENT_BYTES = 64 * 1024;
const MAX_LISTED_BUCKETS = 10_000;

/** `continuation-token` is the last name of the page before. */
export const handleListBuckets: S3Handler = (call) => {
  const { query } = call.request;
  const prefix = query.get('prefix') ?? '';
  const after = query.get('continuation-token') ?? '';
  const max = readMax(query.get('max-buckets'), 'max-buckets', MAX_LISTED_BUCKETS);
  const wanted = call.store.buckets.list().filter(({ name }) => name.startsWith(prefix) && name > after);
  const page = wanted.slice(0, max);
  return xmlReply(
    buildXml('ListAllMyBucketsResult', [
      ['Buckets', page.map((bucket) => ['Bucket', bucketNodes(bucket)] as const)],
      ownerNode(call),
      ['ContinuationToken', wanted.length > page.length ? page.at(-1)?.name : undefined],
      ['Prefix', prefix === '' ? undefined : prefix],
    ]),
  );
};

function bucketNodes({ name, createdMs }: { name: string; createdMs: number }) {
  return [['Name', name] as const, ['CreationDate', isoTime(createdMs)] as const];
}

export async function handleCreateBucket(call: S3Call): Promise<S3Reply> {
  const document = await receiveText(call, MAX_DOCUMENT_BYTES);
  if (document !== '') await parseXml(document, 'CreateBucketConfiguration');
  const { buckets } = call.store;
  const name = call.request.bucket;
  // As in the oldest region alone, a bucket that is there is left as it is.
  if (buckets.find(name) !== undefined && call.region !== 'us-east-1')
    throw new S3Error(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
    );
  if (buckets.find(name) === undefined) buckets.create(name);
  return { status: 200, headers: { location: `/${name}` } };
}

export const handleHeadBucket: S3Handler = ({ store, request, region }) => {
  store.buckets.get(request.bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': region } };
};

export const handleDeleteBucket: S3Handler = ({ store, request }) => {
  const bucket = store.buckets.get(request.bucket);
  if (!store.versions.isEmpty(bucket.id))
    throw new S3Error(
      'BucketNotEmpty',
      'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
    );
  // What is unfinished goes with its bucket.
  store.transact(() => {
    for (const upload of store.uploads.scan(bucket.id, '', '', Number.MAX_SAFE_INTEGER)) store.abortUpload(upload);
    store.buckets.remove(bucket);
  });
  return { status: 204 };
};

export const handleGetBucketLocation: S3Handler = ({ store, request, region }) => {
  store.buckets.get(request.bucket);
  // The oldest region is named by an empty element.
  const location = buildXml('LocationConstraint', []).replace(
    '></LocationConstraint>',
    `>${region === 'us-east-1' ? '' : region}</LocationConstraint>`,
  );
  return xmlReply(location);
};

export const handleGetBucketVersioning: S3Handler = ({ store, request }) => {
  const { versioning } = store.buckets.get(request.bucket);
  return xmlReply(buildXml('VersioningConfiguration', versioning === 'Off' ? [] : [['Status', versioning]]));
};

export async function handlePutBucketVersioning(call: S3Call): Promise<S3Reply> {
  const document = await receiveText(call, MAX_DOCUMENT_BYTES);
  const status = childText(await parseXml(document, 'VersioningConfiguration'), 'Status');
  if (status !== 'Enabled' && status !== 'Suspended') throw malformedXml();
  const { buckets } = call.store;
  buckets.update(buckets.get(call.request.bucket), { versioning: status });
  return { status: 200 };
}

export const handleGetBucketNotification: S3Handler = ({ store, request }) => {
  const { hasEvents } = store.buckets.get(request.bucket);
  return xmlReply(buildXml('NotificationConfiguration', hasEvents ? [['EventBridgeConfiguration', '']] : []));
};

/** Events go to the journal for the event bridge; queues, topics and functions as targets are not there. */
export async function handlePutBucketNotification(call: S3Call): Promise<S3Reply> {
  const document = await receiveText(call, MAX_DOCUMENT_BYTES);
  const { children } = await parseXml(document, 'NotificationConfiguration');
  if (children.some(({ name }) => name !== 'EventBridgeConfiguration'))
    throw new S3Error('NotImplemented', 'Only EventBridgeConfiguration is there.');
  const { buckets } = call.store;
  buckets.update(buckets.get(call.request.bucket), { hasEvents: children.length > 0 });
  return { status: 200 };
}
