/**
 * What AWS Transfer Family asks a function about a login, and what it is answered (AWS Transfer Family user guide, "Using AWS Lambda to
 * integrate your identity provider"). Pure.
 *
 * 1. A session assumes one role for all users. Its policy narrows that to the user's own prefix; no answer is without one.
 * 2. Paths are mapped, so a client sees neither buckets nor other tenants: the first directories of the tenant's routes, and `/outbound` to read.
 */
import { z } from 'zod';
import type { SftpLogin } from '#shared/access/sftp-users.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';

/** `password` is absent when the client offers a key: Transfer Family compares that itself with the keys of the answer. */
export const transferEventSchema = z.object({
  username: z.string().max(100),
  password: z.string().max(1_024).optional(),
  protocol: z.string().optional(),
  serverId: z.string().optional(),
  sourceIp: z.string().optional(),
});

/** An answer without a role is a refusal. */
export interface TransferAnswer {
  readonly Role?: string;
  /** JSON. */
  readonly Policy?: string;
  readonly HomeDirectoryType?: 'LOGICAL';
  /** JSON. */
  readonly HomeDirectoryDetails?: string;
  readonly PublicKeys?: readonly string[];
}

export const REFUSED: TransferAnswer = {};

export interface AnswerOptions {
  readonly prefix: string;
  /** ARN; its partition is that of the buckets. */
  readonly role: string;
  readonly withKeys: boolean;
}

export function writeAnswer(login: SftpLogin, { prefix, role, withKeys }: AnswerOptions): TransferAnswer {
  const home = trimmed(login.homePrefix);
  const [landing, outbound] = [bucketName(prefix, 'landing'), bucketName(prefix, 'outbound')];
  const mappings = [
    ...firstDirectories(login.routeGlobs.flat()).map((name) => ({
      Entry: `/${name}`,
      Target: `/${landing}/${home}/${name}`,
    })),
    { Entry: '/outbound', Target: `/${outbound}/${login.tenantId}` },
  ];
  const partition = role.split(':')[1] ?? 'aws';
  return {
    Role: role,
    Policy: JSON.stringify(sessionPolicy({ partition, landing, outbound, home, tenantId: login.tenantId })),
    HomeDirectoryType: 'LOGICAL',
    HomeDirectoryDetails: JSON.stringify(mappings),
    ...(withKeys && { PublicKeys: login.publicKeys }),
  };
}

interface Places {
  readonly partition: string;
  readonly landing: string;
  readonly outbound: string;
  readonly home: string;
  readonly tenantId: string;
}

/** STS takes 2,048 characters at most, so it names the prefix and not each directory of it. */
function sessionPolicy({ partition, landing, outbound, home, tenantId }: Places): object {
  const arn = (path: string) => `arn:${partition}:s3:::${path}`;
  const list = (bucket: string, prefix: string) => ({
    Effect: 'Allow',
    Action: 's3:ListBucket',
    Resource: arn(bucket),
    Condition: { StringLike: { 's3:prefix': [prefix, `${prefix}/*`] } },
  });
  return {
    Version: '2012-10-17',
    Statement: [
      list(landing, home),
      list(outbound, tenantId),
      {
        Effect: 'Allow',
        Action: ['s3:PutObject', 's3:GetObject', 's3:DeleteObject'],
        Resource: arn(`${landing}/${home}/*`),
      },
      { Effect: 'Allow', Action: 's3:GetObject', Resource: arn(`${outbound}/${tenantId}/*`) },
      // Which key, the role says.
      { Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey'], Resource: '*' },
    ],
  };
}

const trimmed = (prefix: string) => prefix.replace(/^\/+|\/+$/g, '');

/** Transfer Family takes no mapping of `/` next to others, so each first directory is mapped on its own. */
function firstDirectories(globs: readonly string[]): string[] {
  const first = globs
    .map((glob) => glob.split('/'))
    .flatMap(([head, ...rest]) => (rest.length === 0 ? [] : [head ?? '']));
  const plain = first.filter((name) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name) && name !== 'outbound');
  return [...new Set(plain.length === 0 ? ['inbound'] : plain)].sort();
}
