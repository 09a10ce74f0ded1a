/** The query parameters that all listings share. */
import type { S3Call } from '#local/s3/handler.ts';
import { S3Error } from '#local/s3/s3-error.ts';
import { encodeKey } from '#local/s3/s3-request.ts';
import type { XmlNode } from '#local/s3/xml.ts';

export interface ListQuery {
  readonly bucketId: number;
  readonly prefix: string;
  readonly delimiter: string;
  readonly max: number;
  readonly encodingType: 'url' | undefined;
  /** A name as the reply shows it. */
  readonly encode: (name: string) => string;
}

const MAX_ENTRIES = 1000;

/** @throws S3Error `NoSuchBucket`, `InvalidArgument`. */
export function readListQuery({ store, request }: S3Call, maxName: string): ListQuery {
  const { query } = request;
  const encodingType = query.get('encoding-type');
  if (encodingType !== undefined && encodingType !== 'url')
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request');
  return {
    bucketId: store.buckets.get(request.bucket).id,
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    max: readMax(query.get(maxName), maxName),
    encodingType,
    encode: encodingType === 'url' ? encodeKey : (name) => name,
  };
}

/** All credentials are of one account, which owns everything. */
export function ownerNode({ auth }: S3Call): XmlNode {
  return accountNode('Owner', auth.requester);
}

export function accountNode(name: 'Owner' | 'Initiator', id: string): XmlNode {
  return [
    name,
    [
      ['ID', id],
      ['DisplayName', id],
    ],
  ];
}

/** More than the maximum, of objects 1,000, is taken as the maximum. */
export function readMax(text: string | undefined, name: string, most = MAX_ENTRIES): number {
  if (text === undefined || text === '') return most;
  if (!/^\d{1,10}$/.test(text))
    throw new S3Error('InvalidArgument', `Provided ${name} not an integer or within integer range`);
  return Math.min(Number(text), most);
}
