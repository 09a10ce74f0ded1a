/** Conditional requests: RFC 9110 section 13 on reads, S3's own rules on writes and copy sources. */
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from '#local/s3/s3-error.ts';
import type { ObjectVersion } from '#local/s3/version-store.ts';

/** `304` where the client's copy is current. @throws S3Error `PreconditionFailed`. */
export function checkReadConditions(headers: IncomingHttpHeaders, version: ObjectVersion): 200 | 304 {
  const modifiedSeconds = Math.floor(version.modifiedMs / 1000);
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, version.etag)) throw preconditionFailed();
  } else if (modifiedSeconds > secondsOf(headers['if-unmodified-since'], Number.POSITIVE_INFINITY))
    throw preconditionFailed();
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, version.etag) ? 304 : 200;
  return modifiedSeconds <= secondsOf(headers['if-modified-since'], Number.NEGATIVE_INFINITY) ? 304 : 200;
}

/** @throws S3Error `PreconditionFailed`. */
export function checkCopySourceConditions(headers: IncomingHttpHeaders, source: ObjectVersion): void {
  const pick = (name: string) => {
    const value = headers[`x-amz-copy-source-${name}`];
    return value === undefined ? {} : { [name]: String(value) };
  };
  const conditions = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'].map(pick);
  if (checkReadConditions(Object.assign({}, ...conditions), source) === 304) throw preconditionFailed();
}

/** Must run in the transaction of the write. `current` is the newest version, a delete marker counting as none. */
export function checkWriteConditions(headers: IncomingHttpHeaders, current: ObjectVersion | undefined): void {
  const existing = current?.isDeleteMarker ? undefined : current;
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    if (existing !== undefined && matches(ifNoneMatch, existing.etag)) throw preconditionFailed();
  }
  if (ifMatch !== undefined) {
    if (existing === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist.');
    if (!matches(ifMatch, existing.etag)) throw preconditionFailed();
  }
}

/** What a deletion may ask of its target: the version named, or the current one. */
export interface DeleteConditions {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly sizeBytes: string | undefined;
}

/** Must run in the transaction of the deletion. What is not there is deleted already. @throws S3Error `PreconditionFailed`. */
export function checkDeleteConditions(conditions: DeleteConditions, target: ObjectVersion | undefined): void {
  if (target === undefined) return;
  const { etag, lastModified, sizeBytes } = conditions;
  const modifiedSeconds = Math.floor(target.modifiedMs / 1000);
  const holds =
    (etag === undefined || matches(etag, target.etag)) &&
    (lastModified === undefined || secondsOf(lastModified, Number.NaN) === modifiedSeconds) &&
    (sizeBytes === undefined || Number(sizeBytes) === target.sizeBytes);
  if (!holds) throw preconditionFailed();
}

function matches(list: string, etag: string): boolean {
  return list.split(',').some((entry) => {
    const wanted = entry.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
    return wanted === '*' || wanted === etag;
  });
}

/** A date that cannot be read is as if it were not there (RFC 9110). */
function secondsOf(date: string | undefined, otherwise: number): number {
  const milliseconds = Date.parse(date ?? '');
  return Number.isNaN(milliseconds) ? otherwise : Math.floor(milliseconds / 1000);
}

function preconditionFailed(): S3Error {
  return new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
}
