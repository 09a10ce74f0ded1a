/**
 * What a user's paths mean: `/` is the user's prefix in the landing bucket, `/outbound` the tenant's in the outbound bucket.
 *
 * 1. A prefix always ends in `/`, so `acme` never reaches `acmeX/`.
 * 2. Only the landing tree can be written; `outbound` under the user's own prefix is shadowed and cannot be made.
 */
import { type CanonicalPath, canonicalPath, rejected } from './canonical-path.ts';
import { denied } from './sftp-fault.ts';

export const OUTBOUND_NAME = 'outbound';

/** Amazon S3's limit for a key, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1_024;

export interface SftpUser {
  readonly tenantId: string;
  /** Lines as in `authorized_keys`. */
  readonly publicKeys: readonly string[];
  /** In the landing bucket, e.g. `acme/`; the final separator may be missing. */
  readonly homePrefix: string;
  /** In the tenant's home, shown also while they are empty; e.g. `inbound/orders`. */
  readonly directories?: readonly string[];
}

export interface Location {
  readonly path: CanonicalPath;
  readonly bucket: string;
  /** The object's key; for a root its prefix, which ends in `/` or is empty. */
  readonly key: string;
  /** The key as a prefix of what is below it. */
  readonly prefix: string;
  readonly isRoot: boolean;
  readonly isWritable: boolean;
}

export interface UserRootOptions {
  readonly user: SftpUser;
  readonly landingBucket: string;
  readonly outboundBucket: string;
}

export interface UserRoot {
  /** @throws SftpFault `NAME_REJECTED`. */
  locate(rawPath: string): Location;
  /** As `locate`, for what is going to be written. @throws SftpFault `DENIED` in a read-only tree or for a root. */
  locateForWriting(rawPath: string): Location;
  /** Names of directories that are shown in this one in any case; `undefined` when this is not such a one itself. */
  standingIn(directory: Location): readonly string[] | undefined;
}

export function createUserRoot({ user, landingBucket, outboundBucket }: UserRootOptions): UserRoot {
  const home = asPrefix(user.homePrefix);
  const outbound = asPrefix(user.tenantId);
  const standing = (user.directories ?? []).map((directory) => asPrefix(`${user.tenantId}/${directory}`));

  function locate(rawPath: string): Location {
    const path = canonicalPath(rawPath);
    const [, first, ...rest] = path.split('/');
    const isOutbound = first === OUTBOUND_NAME;
    const relative = isOutbound ? rest.join('/') : path.slice(1);
    const base = isOutbound ? outbound : home;
    const key = base + relative;
    // One byte is kept for the separator of a directory's marker.
    if (Buffer.byteLength(key) >= MAX_KEY_BYTES)
      throw rejected(`a path has at most ${MAX_KEY_BYTES - 1} bytes with its prefix`);
    return {
      path,
      bucket: isOutbound ? outboundBucket : landingBucket,
      key,
      prefix: relative === '' ? base : `${key}/`,
      isRoot: relative === '',
      isWritable: !isOutbound,
    };
  }

  return {
    locate,
    locateForWriting(rawPath) {
      const location = locate(rawPath);
      if (!location.isWritable) throw denied(`/${OUTBOUND_NAME} is read-only`);
      if (location.isRoot) throw denied('the root directory cannot be changed');
      return location;
    },
    standingIn({ prefix, isWritable }) {
      if (!isWritable) return undefined;
      const below = standing.filter((directory) => directory.startsWith(prefix));
      if (below.length === 0) return undefined;
      const names = below.map((directory) => directory.slice(prefix.length).split('/')[0]!);
      return [...new Set(names)].filter((name) => name !== '');
    },
  };
}

function asPrefix(prefix: string): string {
  const trimmed = prefix.replace(/^\/+|\/+$/g, '');
  return trimmed === '' ? '' : `${trimmed}/`;
}
