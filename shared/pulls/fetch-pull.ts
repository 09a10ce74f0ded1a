/**
 * Fetches the file of one pull into landing, and cleans up behind it, over one connection.
 *
 * 1. `stat` before and after: what changed meanwhile was still being written, and nothing of it lands.
 * 2. The bytes are counted and, with a sidecar or a hash of the server, compared, before there is a version. Servers say 226 to what they cut short.
 * 3. The remote file is touched only once its version is in landing and the pull says so, and only when it is still the same file.
 */

import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { MOST_PULLED_BYTES, PULL_MARK } from '#shared/files/copies/pull-multipart.ts';
import type { TransferLog } from '#shared/files/copies/transfer-log.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import type { RemoteConnection, RemoteFile } from '#shared/remotes/remote-connection.ts';
import { hasRemoteFault, RemoteError } from '#shared/remotes/remote-error.ts';
import type { ClaimedPull, PullIdentity } from './claim-pulls.ts';
import { directoryOf, type PullPlan } from './plan-pull.ts';
import { type HeldPull, landAgain, landPull, notePullStage } from './store-pulls.ts';

export interface FetchParts {
  readonly sql: Sql;
  readonly store: Pick<ObjectStore, 'pull'>;
  readonly landingBucket: string;
  readonly service: string;
  readonly log: TransferLog;
  readonly signal: AbortSignal;
}

/** The file was still being written. */
export class UnsettledFile extends Error {}
/** The file is not there any more. */
export class VanishedFile extends Error {}

/** The remote gave these bytes before, under the same path: the pull of then is the one that landed them. */
class KnownContent extends Error {
  readonly pullId: string;

  constructor(pullId: string) {
    super('its content landed before');
    this.pullId = pullId;
  }
}

const MOST_SIDECAR_BYTES = 65_536;

/** @throws UnsettledFile, VanishedFile, RemoteError, ObjectStoreError, LongshoreError `PULL_SIZE_MISMATCH`, `CHECKSUM_*`, `LEASE_LOST`. */
export async function fetchPull(
  connection: RemoteConnection,
  pull: ClaimedPull,
  plan: PullPlan,
  { sql, store, landingBucket, service, log, signal }: FetchParts,
): Promise<void> {
  const held: HeldPull = pull;
  const before = await claimFile(connection, pull, plan);
  if (before.sizeBytes > MOST_PULLED_BYTES)
    throw new LongshoreError(
      'FILE_TOO_LARGE',
      `the remote gives it ${before.sizeBytes} bytes; at most ${MOST_PULLED_BYTES} are fetched`,
    );
  const identity = identityOf(before);
  // What the listing did not tell is not a difference.
  if (pull.source !== null && pull.identity !== null && !isSame(pull.identity, identity))
    throw new UnsettledFile('it changed since it was listed');
  await notePullStage(sql, held, 'DOWNLOADING', identity);
  const expected = await readSidecar(connection, plan.sidecarPath);
  const askHash = plan.asksHash ? connection.hashOf : undefined;
  const target = { bucket: landingBucket, key: plan.key };
  const mark = `${pull.id}.${pull.generation}`;
  const pulling = store.pull({
    target,
    sizeBytes: before.sizeBytes,
    identity: JSON.stringify([pull.remotePath, identity.size, identity.time]),
    // A digest of a whole file needs the whole file to come by.
    canResume: expected === undefined && askHash === undefined && !plan.comparesContent && identity.time !== null,
    mark,
    metadata: metadataOf(pull),
    log,
    signal,
    read: (offset) => connection.read(plan.claimedPath, offset, before.sizeBytes),
    findRegistered: () => findRegisteredPull(sql, target, mark),
    isVerdict: (error) =>
      !(error instanceof RemoteError) && !(error instanceof LongshoreError && error.code === 'LEASE_LOST'),
    async verify({ sizeBytes, sha256 }) {
      await notePullStage(sql, held, 'VERIFYING');
      if (sizeBytes > before.sizeBytes) throw new UnsettledFile('it grew while it was fetched');
      const after = await connection.stat(plan.claimedPath);
      if (after === undefined) throw new VanishedFile('it vanished while it was fetched');
      if (!isSame(identity, identityOf(after))) throw new UnsettledFile('it changed while it was fetched');
      if (sizeBytes !== before.sizeBytes)
        throw new LongshoreError('PULL_SIZE_MISMATCH', `${sizeBytes} bytes came of a file of ${before.sizeBytes}`);
      if (expected !== undefined && sha256 !== expected)
        throw new LongshoreError('CHECKSUM_MISMATCH', 'the SHA-256 of what came is not that of the checksum file');
      const theirs = await askHash?.(plan.claimedPath);
      if (theirs !== undefined && sha256 !== theirs)
        throw new LongshoreError('CHECKSUM_MISMATCH', 'the SHA-256 of what came is not the one that the server tells');
      const known = plan.comparesContent ? await findSameContent(sql, pull, sha256) : undefined;
      if (known !== undefined) throw new KnownContent(known);
    },
  });
  const pulled = await pulling.catch((error: unknown) => {
    if (error instanceof KnownContent) return error;
    throw error;
  });
  if (pulled instanceof KnownContent) return await landAgain(sql, held, pulled.pullId, service);
  await landPull(
    sql,
    held,
    {
      ...{
        ...target,
        versionId: pulled.versionId,
        etag: pulled.etag,
        sizeBytes: pulled.sizeBytes,
        sha256: pulled.sha256,
      },
      name: plan.key.slice(plan.key.lastIndexOf('/') + 1),
      orderKey: messageGroupId(pull.tenantId, directoryOf(plan.key)),
    },
    service,
  );
}

async function findSameContent(sql: Sql, pull: ClaimedPull, sha256: string | null): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`
    SELECT id FROM pulls
    WHERE tenant_id = ${pull.tenantId} AND remote = ${pull.remote} AND remote_path = ${pull.remotePath} AND sha256 = ${sha256}
      AND file_id IS NOT NULL AND id <> ${pull.id}
    ORDER BY created_at DESC LIMIT 1`;
  return row?.id;
}

/** With `ready: rename` the file is ours once it has our name: a writer's next one of its name is another file. */
async function claimFile(connection: RemoteConnection, pull: ClaimedPull, plan: PullPlan): Promise<RemoteFile> {
  const ours = await connection.stat(plan.claimedPath);
  if (ours !== undefined) return ours;
  if (!plan.isRenamed) throw new VanishedFile('it is not there');
  try {
    await connection.rename(pull.remotePath, plan.claimedPath);
  } catch (error) {
    if (hasRemoteFault(error, 'path-gone')) throw new VanishedFile('it is not there');
    throw error;
  }
  const renamed = await connection.stat(plan.claimedPath);
  if (renamed === undefined) throw new VanishedFile('it is not there');
  return renamed;
}

export type Cleaned = 'done' | 'replaced' | 'kept';

/** @throws RemoteError when the server refuses, or cannot be asked. */
export async function cleanPull(connection: RemoteConnection, pull: ClaimedPull, plan: PullPlan): Promise<Cleaned> {
  if (plan.afterwards === 'keep') return 'kept';
  const present = await connection.stat(plan.claimedPath);
  const isOurs = present !== undefined && (pull.identity === null || isSame(pull.identity, identityOf(present)));
  if (present !== undefined && !isOurs) return 'replaced';
  if (present !== undefined) {
    try {
      if (plan.afterwards === 'delete') await connection.remove(plan.claimedPath);
      else await connection.rename(plan.claimedPath, plan.afterwards.moveTo);
    } catch (error) {
      if (!hasRemoteFault(error, 'path-gone')) throw error;
    }
  }
  for (const companion of plan.companionPaths) await removeCompanion(connection, companion);
  return 'done';
}

async function removeCompanion(connection: RemoteConnection, path: string): Promise<void> {
  try {
    await connection.remove(path);
  } catch (error) {
    if (!hasRemoteFault(error, 'path-gone')) throw error;
  }
}

export function identityOf({ sizeBytes, modifiedAt }: RemoteFile): PullIdentity {
  return { size: sizeBytes, time: modifiedAt ?? null };
}

/** What one of them does not know makes no difference. */
function isSame(left: PullIdentity, right: PullIdentity): boolean {
  return (['size', 'time'] as const).every(
    (fact) => left[fact] === null || right[fact] === null || left[fact] === right[fact],
  );
}

async function readSidecar(connection: RemoteConnection, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const file = await connection.stat(path);
  if (file === undefined || file.sizeBytes > MOST_SIDECAR_BYTES)
    throw new LongshoreError('CHECKSUM_SIDECAR_MISSING', 'the checksum file is not there, or has over 64 KiB');
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of connection.read(path)) {
    pieces.push(piece);
    bytes += piece.byteLength;
    // A server may say that it is small, and send without end.
    if (bytes > MOST_SIDECAR_BYTES)
      throw new LongshoreError('CHECKSUM_SIDECAR_MISSING', 'the checksum file has over 64 KiB');
  }
  const digest = /\b[0-9a-f]{64}\b/i.exec(Buffer.concat(pieces).toString('latin1'))?.[0];
  if (digest === undefined) throw new LongshoreError('CHECKSUM_SIDECAR_MISSING', 'the checksum file has no SHA-256');
  return digest.toLowerCase();
}

/** Metadata of objects is ASCII. */
function metadataOf({ project, pipeline, remote, remotePath, source }: ClaimedPull): Record<string, string> {
  return {
    'longshore-project': project,
    ...(pipeline !== '' && { 'longshore-pipeline': pipeline }),
    ...(source !== null && { 'longshore-source': source }),
    'longshore-remote': remote,
    'longshore-remote-path': encodeURI(remotePath).slice(0, 1_000),
  };
}

/** The version of a pull that is a file already: its event came first, and the file may have left landing since. */
async function findRegisteredPull(
  sql: Sql,
  { bucket, key }: { readonly bucket: string; readonly key: string },
  mark: string,
): Promise<{ versionId: string; etag: string; sizeBytes: number } | undefined> {
  const [row] = await sql<{ versionId: string; etag: string; sizeBytes: number }[]>`
    SELECT version_id AS "versionId", etag, size_bytes::float8 AS "sizeBytes" FROM files
    WHERE bucket = ${bucket} AND key = ${key} AND head #>> ${['metadata', PULL_MARK]}::text[] = ${mark} LIMIT 1`;
  return row;
}
