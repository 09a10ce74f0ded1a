/**
 * A connection to a remote, by its definition.
 *
 * 1. Its secrets are asked of the secret store for every connection, so a rotation counts with the next one.
 * 2. `secretVersion` names the credentials without showing them: another one may be tried where the last were refused.
 * 3. What is not below the remote's `paths` is refused here, whatever asks for it.
 */
import { createHash } from 'node:crypto';
import {
  canonicalRemotePath,
  isRemotePlaceAllowed,
  type LegacyAlgorithm,
  type RemoteDocument,
} from '#shared/definitions/remote-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import type { Secret, SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { paceConnection } from './pace-connection.ts';
import type { RemoteConnection, RemoteIdentity, RemoteStaging } from './remote-connection.ts';
import { RemoteError } from './remote-error.ts';

export interface RemoteSecrets {
  readonly version: string;
  readonly password?: string | undefined;
  readonly privateKey?: string | undefined;
  readonly passphrase?: string | undefined;
  readonly authority?: string | undefined;
  readonly accountKey?: string | undefined;
  readonly sas?: string | undefined;
  /** Of `auth`. */
  readonly secret?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly refreshToken?: string | undefined;
}

export interface OpenRemoteOptions {
  readonly guard: AddressGuard;
  readonly signal?: AbortSignal | undefined;
  readonly onIdentity?: ((identity: RemoteIdentity) => void) | undefined;
  readonly onAnnounced?: ((fingerprints: readonly string[]) => void) | undefined;
  readonly onLegacy?: ((algorithms: readonly LegacyAlgorithm[]) => void) | undefined;
}

/** @throws SecretError */
export async function readRemoteSecrets(remote: RemoteDocument, secrets: SecretStore): Promise<RemoteSecrets> {
  const read: Record<string, string> = {};
  const versions: string[] = [];
  for (const [use, name] of Object.entries(secretNamesOf(remote))) {
    if (name === undefined) continue;
    const secret: Secret = await secrets.read(name);
    read[use] = secret.text;
    versions.push(`${use}:${secret.version}`);
  }
  const version = createHash('sha256')
    .update([remote.user, ...versions].join('\n'))
    .digest('hex')
    .slice(0, 32);
  return { version, ...read };
}

function secretNamesOf(remote: RemoteDocument): Readonly<Record<string, string | undefined>> {
  if (remote.type === 'sftp')
    return { password: remote.password, privateKey: remote.privateKey, passphrase: remote.passphrase };
  const { authority } = remote.tls;
  if (remote.type === 'azure-blob') return { accountKey: remote.accountKey, sas: remote.sas, authority };
  if (remote.type === 'http') {
    const { auth } = remote;
    if (auth.type === 'static') return { secret: auth.secret, authority };
    if (auth.type !== 'oauth2-client-credentials') return { authority };
    return { clientSecret: auth.clientSecret, refreshToken: auth.refreshToken, authority };
  }
  return { password: remote.password, authority };
}

/** @throws RemoteError */
export async function openRemote(
  remote: RemoteDocument,
  secrets: RemoteSecrets,
  options: OpenRemoteOptions,
): Promise<RemoteConnection> {
  const connection = within(await openConnection(remote, secrets, options), remote.paths);
  const { connections, bytesPerSecond } = remote.limits;
  return bytesPerSecond === undefined
    ? connection
    : paceConnection(connection, { bytesPerSecond: bytesPerSecond / connections });
}

/** The clients are loaded by the first connection only: most processes open none. */
async function openConnection(
  remote: RemoteDocument,
  secrets: RemoteSecrets,
  options: OpenRemoteOptions,
): Promise<RemoteConnection> {
  if (remote.type === 'sftp') {
    const { openSftpConnection } = await import('./sftp/open-sftp-connection.ts');
    return await openSftpConnection(remote, secrets, options);
  }
  if (remote.type === 'azure-blob') {
    const { openAzureBlobConnection } = await import('./azure-blob/open-azure-blob-connection.ts');
    return await openAzureBlobConnection(remote, secrets, options);
  }
  if (remote.type === 'http') {
    const { openHttpConnection } = await import('./http/open-http-connection.ts');
    return await openHttpConnection(remote, secrets, options);
  }
  const withPassword = { ...secrets, password: secrets.password ?? '' };
  if (remote.type === 'webdav') {
    const { openWebdavConnection } = await import('./webdav/open-webdav-connection.ts');
    return await openWebdavConnection(remote, withPassword, options);
  }
  const { openFtpsConnection } = await import('./ftps/open-ftps-connection.ts');
  return await openFtpsConnection(remote, withPassword, options);
}

function within(connection: RemoteConnection, paths: readonly string[]): RemoteConnection {
  const file = (path: string): string => {
    const canonical = canonicalRemotePath(path);
    if (!canonical.ok) throw new RemoteError('place-refused', canonical.message);
    if (!isRemotePlaceAllowed(paths, path))
      throw new RemoteError('place-refused', 'the path is not below one of the paths of the remote');
    return path;
  };
  const directory = (path: string): string => {
    if (!path.endsWith('/')) throw new RemoteError('place-refused', 'a directory ends with "/"');
    if (path !== '/') canonicalOrThrow(path.slice(0, -1));
    if (!isRemotePlaceAllowed(paths, path))
      throw new RemoteError('place-refused', 'the directory is not below one of the paths of the remote');
    return path;
  };
  return {
    get fingerprint() {
      return connection.fingerprint;
    },
    get certificateEndsAt() {
      return connection.certificateEndsAt;
    },
    unsureTailBytes: connection.unsureTailBytes,
    get isUsable() {
      return connection.isUsable;
    },
    list: (path) => connection.list(directory(path)),
    stat: async (path) => await connection.stat(file(path)),
    read: (path, offset, sizeBytes) => connection.read(file(path), offset, sizeBytes),
    write: async (path, body, options) => await connection.write(file(path), body, options),
    rename: async (from, to, options) => await connection.rename(file(from), file(to), options),
    remove: async (path) => await connection.remove(file(path)),
    close: () => connection.close(),
    ...(connection.writeAndStat !== undefined && {
      writeAndStat: async (path, body, options) => await connection.writeAndStat?.(file(path), body, options),
    }),
    ...(connection.renameAndStat !== undefined && {
      renameAndStat: async (from, to, options) => await connection.renameAndStat?.(file(from), file(to), options),
    }),
    ...(connection.hashOf !== undefined && { hashOf: async (path) => await connection.hashOf?.(file(path)) }),
    ...(connection.share !== undefined && { share: () => within(connection.share?.() ?? connection, paths) }),
    ...(connection.staging !== undefined && { staging: stagingWithin(connection.staging, file) }),
  };
}

function stagingWithin(staging: RemoteStaging, allowed: (path: string) => string): RemoteStaging {
  return {
    stage: async (path, file, read) => await staging.stage(allowed(path), file, read),
    show: async (path, file, options) => await staging.show(allowed(path), file, options),
    find: async (path, file) => await staging.find(allowed(path), file),
  };
}

function canonicalOrThrow(path: string): void {
  const canonical = canonicalRemotePath(path);
  if (!canonical.ok) throw new RemoteError('place-refused', canonical.message);
}
