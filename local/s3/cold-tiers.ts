/**
 * Storage classes whose objects cannot be read before they are restored, as Amazon S3 answers: GetObject and CopyObject refuse with
 * `InvalidObjectState`, RestoreObject is accepted (202) and takes a while, a restored copy can be read for so many days.
 */
import { getVersion } from '#local/s3/find-version.ts';
import { header, type S3Call, type S3Reply } from '#local/s3/handler.ts';
import { receiveText } from '#local/s3/receive-body.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import type { ObjectDetails, ObjectVersion } from '#local/s3/version-store.ts';
import { childText, malformedXml, parseXml } from '#local/s3/xml.ts';

const STORAGE_CLASSES = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
];
const COLD_CLASSES = ['GLACIER', 'DEEP_ARCHIVE'];
/** Hours at Amazon S3. */
const RESTORE_MS = 1_000;
const DAY_MS = 86_400_000;
const MAX_DOCUMENT_BYTES = 64 * 1024;

/** @throws S3Error `InvalidStorageClass` */
export function readStorageClass(call: S3Call): Pick<ObjectDetails, 'storageClass'> {
  const storageClass = header(call, 'x-amz-storage-class');
  if (storageClass === undefined || storageClass === 'STANDARD') return {};
  if (!STORAGE_CLASSES.includes(storageClass))
    throw new S3Error('InvalidStorageClass', 'The storage class you specified is not valid');
  return { storageClass };
}

/** `x-amz-storage-class` and `x-amz-restore`. */
export function tierHeaders(
  { details: { storageClass, restore } }: ObjectVersion,
  now: number,
): Record<string, string> {
  if (storageClass === undefined) return {};
  const state = restoreState(restore, now);
  const described = {
    ongoing: 'ongoing-request="true"',
    readable: `ongoing-request="false", expiry-date="${new Date(restore?.endsMs ?? 0).toUTCString()}"`,
    none: undefined,
  }[state];
  return { 'x-amz-storage-class': storageClass, ...(described !== undefined && { 'x-amz-restore': described }) };
}

/** @throws S3Error `InvalidObjectState` */
export function checkReadable({ details: { storageClass = '', restore } }: ObjectVersion, now: number): void {
  if (COLD_CLASSES.includes(storageClass) && restoreState(restore, now) !== 'readable')
    throw new S3Error('InvalidObjectState', "The operation is not valid for the object's storage class");
}

export async function handleRestoreObject(call: S3Call): Promise<S3Reply> {
  const { store, request } = call;
  const document = await parseXml(await receiveText(call, MAX_DOCUMENT_BYTES), 'RestoreRequest');
  const days = Number(childText(document, 'Days'));
  if (!Number.isInteger(days) || days < 1) throw malformedXml();
  return store.transact(() => {
    const bucket = store.buckets.get(request.bucket);
    const version = getVersion(store, { bucket, key: request.key, versionId: request.query.get('versionId') });
    const { storageClass = '', restore } = version.details;
    if (!COLD_CLASSES.includes(storageClass))
      throw new S3Error('InvalidObjectState', "Restore is not allowed for the object's current storage class");
    const state = restoreState(restore, store.now());
    if (state === 'ongoing') throw new S3Error('RestoreAlreadyInProgress', 'Object restore is already in progress');
    const readableMs = state === 'readable' ? (restore?.readableMs ?? 0) : store.now() + RESTORE_MS;
    const endsMs = store.now() + RESTORE_MS + days * DAY_MS;
    store.versions.setDetails(version, { ...version.details, restore: { readableMs, endsMs } });
    return { status: state === 'readable' ? 200 : 202, headers: {} };
  });
}

function restoreState(restore: ObjectDetails['restore'], now: number): 'none' | 'ongoing' | 'readable' {
  if (restore === undefined || now >= restore.endsMs) return 'none';
  return now < restore.readableMs ? 'ongoing' : 'readable';
}
