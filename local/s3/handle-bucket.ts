/** Operations on buckets: create, delete, list, location, versioning and notifications. */
import { isoTime, type S3Call, type S3Handler, type S3Reply, xmlReply } from '#local/s3/handler.ts';
import { receiveText } from '#local/s3/receive-body.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { buildXml, childText, malformedXml, parseXml } from '#local/s3/xml.ts';

const MAX_DOCUMENT_BYTES = 64 * 1024;

export const handleListBuckets: S3Handler = ({ store, auth }) =>
  xmlReply(
    buildXml('ListAllMyBucketsResult', [
      ['Buckets', store.buckets.list().map((bucket) => ['Bucket', bucketNodes(bucket)] as const)],
      ['Owner', [['ID', auth.requester]]],
    ]),
  );

function bucketNodes({ name, createdMs }: { name: string; createdMs: number }) {
  return [['Name', name] as const, ['CreationDate', isoTime(createdMs)] as const];
}

export async function handleCreateBucket(call: S3Call): Promise<S3Reply> {
  const document = await receiveText(call, MAX_DOCUMENT_BYTES);
  if (document !== '') parseXml(document, 'CreateBucketConfiguration');
  const { buckets } = call.store;
  const name = call.request.bucket;
  if (buckets.find(name) !== undefined)
    throw new S3Error(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
    );
  buckets.create(name);
  return { status: 200, headers: { location: `/${name}` } };
}

export const handleHeadBucket: S3Handler = ({ store, request, region }) => {
  store.buckets.get(request.bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': region } };
};

export const handleDeleteBucket: S3Handler = ({ store, request }) => {
  const bucket = store.buckets.get(request.bucket);
  if (!store.versions.isEmpty(bucket.id) || !store.uploads.isEmpty(bucket.id))
    throw new S3Error(
      'BucketNotEmpty',
      'The bucket you tried to delete is not empty. You must delete all versions and uploads in the bucket.',
    );
  store.buckets.remove(bucket);
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
  const status = childText(parseXml(document, 'VersioningConfiguration'), 'Status');
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
  const { children } = parseXml(document, 'NotificationConfiguration');
  if (children.some(({ name }) => name !== 'EventBridgeConfiguration'))
    throw new S3Error('NotImplemented', 'Only EventBridgeConfiguration is there.');
  const { buckets } = call.store;
  buckets.update(buckets.get(call.request.bucket), { hasEvents: children.length > 0 });
  return { status: 200 };
}
