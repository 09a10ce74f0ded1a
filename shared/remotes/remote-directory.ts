/**
 * The remotes of all tenants, as this process connects to them.
 *
 * 1. The definition that is applied now counts (`versioned-directory.ts`). A tenant's definitions reach the tenant's own secrets alone.
 * 2. Every connection holds a slot of the remote's `limits.connections`, which are counted over the whole fleet (`remote-slots.ts`). One that
 *    lost its slot is closed at once.
 * 3. A connection that was used goes back and serves again, for `IDLE_MS`; small files would else cost a login each. When no further one is to
 *    be had, several uses share one where its protocol can: between two requests of one small file is the work of another.
 * 4. Wrong credentials are tried once; then nobody connects for a while, unless the secrets change.
 * 5. Nothing is waited for: without a free connection the answer is `wait`.
 */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { type RemoteDocument, remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import {
  createVersionedDirectory,
  type DefinitionRow,
  type FindOptions,
} from '#shared/definitions/versioned-directory.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { openRemote, type RemoteSecrets, readRemoteSecrets } from './open-remote.ts';
import type { RemoteConnection, RemoteIdentity } from './remote-connection.ts';
import { RemoteError, type RemoteErrorCode } from './remote-error.ts';
import {
  freeSlot,
  leaseSlot,
  noteAnnounced,
  noteConnected,
  noteFailed,
  noteLegacy,
  type RemoteName,
  renewSlots,
} from './remote-slots.ts';

export type UsedRemote<Result> =
  | { readonly type: 'used'; readonly result: Result }
  /** No connection is free, or none may be opened now. `code`: why not, where it is a failure. */
  | { readonly type: 'wait'; readonly afterMs: number; readonly reason: string; readonly code?: RemoteErrorCode }
  | { readonly type: 'unknown'; readonly message: string };

export interface UsedRemoteFacts {
  readonly definition: RemoteDocument;
}

export interface UseOptions extends FindOptions {
  readonly signal?: AbortSignal;
  /** What the server shows of itself, trusted or not, where a new connection is made. */
  readonly onIdentity?: ((identity: RemoteIdentity) => void) | undefined;
}

export interface RemoteDirectory {
  /**
   * Runs `work` over a connection that nobody else uses meanwhile. After an error it is closed, unless that was a plain no of the server.
   *
   * @throws what `work` throws; RemoteError or SecretError when no connection can be made; the database for a remote that is not known yet.
   */
  use<Result>(
    remote: RemoteName,
    work: (connection: RemoteConnection, facts: UsedRemoteFacts) => Promise<Result>,
    options?: UseOptions,
  ): Promise<UsedRemote<Result>>;
  /** Undefined when there is none, or this version cannot use it. */
  find(remote: RemoteName): Promise<RemoteDocument | undefined>;
  /** Of this process. */
  states(): { readonly tenantId: string; readonly remote: string; readonly busy: number; readonly idle: number }[];
  /** Closes what is idle; what is in use is closed when it ends. */
  close(): Promise<void>;
}

export interface RemoteDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  readonly leaseMs: number;
  readonly worker: string;
  readonly service: string;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

const LOOK_DEADLINE_MS = 5_000;
const IDLE_MS = 5_000;
/** Until somebody asks again for a slot that is taken. */
const FULL_MS = 2_000;
/** Of one connection at a time. */
const MOST_USES = 8;

interface HeldConnection {
  readonly token: string;
  readonly connection: RemoteConnection;
  readonly secretVersion: string;
  readonly definition: RemoteDocument;
  uses: number;
  /** Closed with its last use. */
  isLeaving?: boolean;
  idleTimer?: NodeJS.Timeout;
}

interface Wanted {
  readonly secretVersion: string;
  readonly definition: RemoteDocument;
}

export function createRemoteDirectory(options: RemoteDirectoryOptions): RemoteDirectory {
  const { sql, secrets, addressGuard, leaseMs, worker, service, logger, now, random = Math.random } = options;
  const clock = now ?? (() => performance.now());
  const held = new Map<string, Set<HeldConnection>>();
  /** Until then a free slot is not asked for where a connection can be shared. */
  const fullUntil = new Map<string, number>();
  /** Renewed while connecting too. */
  const tokens = new Map<string, () => void>();
  /** Connections that are being closed, whoever closes them. */
  const leaving = new Set<Promise<void>>();
  let isClosed = false;
  let renewing: NodeJS.Timeout | undefined;

  const ask = <Answer>(statement: () => Promise<Answer>) =>
    repeatOnLostDatabase(statement, { deadlineMs: LOOK_DEADLINE_MS, forMs: LOOK_DEADLINE_MS });

  const directory = createVersionedDirectory<RemoteDocument, RemoteDocument>({
    kind: 'remote',
    schema: remoteDocumentSchema,
    logger,
    now,
    async look(tenantId, name, knownVersion) {
      const [row] = await ask(
        () => sql<DefinitionRow[]>`
          SELECT version, CASE WHEN version IS DISTINCT FROM ${knownVersion}::int THEN definition END AS definition
          FROM remotes WHERE tenant_id = ${tenantId} AND name = ${name}`,
      );
      return row;
    },
    open: (definition) => definition,
    retire: () => {},
  });

  async function renew(): Promise<void> {
    if (tokens.size === 0) return;
    try {
      const kept = await renewSlots(sql, [...tokens.keys()], leaseMs);
      for (const [token, onLost] of tokens) if (!kept.has(token)) onLost();
    } catch (error) {
      // The next try is long before the lease ends.
      logger.warn({ err: error, connections: tokens.size }, 'leases of connections could not be renewed');
    }
  }

  function scheduleRenewal(): void {
    renewing ??= setInterval(() => void renew(), leaseMs / 4).unref();
  }

  async function leave(token: string): Promise<void> {
    tokens.delete(token);
    if (tokens.size === 0) {
      clearInterval(renewing);
      renewing = undefined;
    }
    await ask(() => freeSlot(sql, token)).catch((error: unknown) =>
      logger.warn({ err: error }, 'the slot of a connection was not freed, its lease runs out'),
    );
  }

  function discard(connected: HeldConnection): Promise<void> {
    clearTimeout(connected.idleTimer);
    for (const connections of held.values()) connections.delete(connected);
    const left = connected.connection
      .close()
      .catch(() => {})
      .then(() => leave(connected.token))
      .finally(() => leaving.delete(left));
    leaving.add(left);
    return left;
  }

  /** `isShared`: one that others use meanwhile. */
  function take(key: string, wanted: Wanted, { isShared }: { readonly isShared: boolean }): HeldConnection | undefined {
    let taken: HeldConnection | undefined;
    for (const connected of held.get(key) ?? []) {
      const { connection, secretVersion, definition, uses } = connected;
      const isRight = secretVersion === wanted.secretVersion && definition === wanted.definition;
      if (!connection.isUsable || !isRight) {
        connected.isLeaving = true;
        if (uses === 0) void discard(connected);
      } else if (isShared ? connection.share !== undefined && uses < MOST_USES : uses === 0) {
        if (!connected.isLeaving && (taken === undefined || uses < taken.uses)) taken = connected;
      }
    }
    clearTimeout(taken?.idleTimer);
    return taken;
  }

  async function giveBack(connected: HeldConnection): Promise<void> {
    connected.uses -= 1;
    if (connected.uses > 0) return;
    if (isClosed || connected.isLeaving || !connected.connection.isUsable || !tokens.has(connected.token))
      return await discard(connected);
    connected.idleTimer = setTimeout(() => void discard(connected), IDLE_MS).unref();
  }

  async function connect(
    remote: RemoteName,
    definition: RemoteDocument,
    credentials: RemoteSecrets,
    { signal, onIdentity }: { readonly signal: AbortSignal | undefined; readonly onIdentity: UseOptions['onIdentity'] },
  ): Promise<HeldConnection | Exclude<UsedRemote<never>, { type: 'used' }>> {
    const token = randomUUID();
    const connections = definition.limits.connections;
    const secretVersion = credentials.version;
    const answer = await ask(() => leaseSlot(sql, { ...remote, connections, secretVersion, token, worker, leaseMs }));
    if (answer.type === 'absent') return { type: 'unknown', message: `The tenant has no remote ${remote.name}` };
    if (answer.type === 'full')
      return { type: 'wait', afterMs: Math.ceil(FULL_MS * (0.5 + random())), reason: 'connections' };
    if (answer.type === 'open') return { type: 'wait', afterMs: answer.afterMs, reason: 'breaker', code: answer.code };
    const lost = new AbortController();
    tokens.set(token, () => lost.abort());
    scheduleRenewal();
    try {
      const connection = await openRemote(definition, credentials, {
        guard: addressGuard,
        signal: signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]),
        onIdentity,
        onAnnounced: (announced) => noteKeys(remote, definition, announced),
        onLegacy: (algorithms) =>
          note(remote, 'legacy algorithms were not noted', () => noteLegacy(sql, remote, algorithms, service)),
      });
      tokens.set(token, () => {
        tokens.delete(token);
        void connection.close();
      });
      if (answer.hadFailed || !answer.isNoted || definition.type !== 'sftp')
        await ask(() => noteConnected(sql, remote, connection, service)).catch(() => {});
      return { token, connection, secretVersion, definition, uses: 0 };
    } catch (error) {
      await leave(token);
      if (error instanceof RemoteError && !signal?.aborted) {
        const { code, message } = error as RemoteError & { readonly code: RemoteErrorCode };
        await ask(() => noteFailed(sql, remote, { code, message, secretVersion, connections }, service));
      }
      throw error;
    }
  }

  function noteKeys(remote: RemoteName, definition: RemoteDocument, announced: readonly string[]): void {
    const pinned = definition.type === 'sftp' ? definition.hostKeys : [];
    const unknown = announced.filter((fingerprint) => !pinned.includes(fingerprint));
    if (unknown.length === 0) return;
    note(remote, 'an announced host key was not noted', () => noteAnnounced(sql, remote, unknown, service));
  }

  /** Nobody waits for it. */
  function note({ tenantId, name }: RemoteName, orElse: string, statement: () => Promise<void>): void {
    ask(statement).catch((error: unknown) => logger.warn({ err: error, tenant: tenantId, remote: name }, orElse));
  }

  return {
    async use({ tenantId, name }, work, { signal, onIdentity, isFresh } = {}) {
      const remote = { tenantId, name };
      const found = await directory.find(tenantId, name, { isFresh });
      if (!found.ok)
        return {
          type: 'unknown',
          message:
            found.reason === 'absent'
              ? `The tenant has no remote ${name}`
              : `The stored definition of the remote ${name} cannot be used`,
        };
      const key = `${tenantId}/${name}`;
      const definition = found.opened;
      const credentials = await readRemoteSecrets(definition, secretsOfTenant(secrets, tenantId));
      const wanted = { secretVersion: credentials.version, definition };
      let connected = take(key, wanted, { isShared: false });
      if (connected === undefined && (fullUntil.get(key) ?? 0) > clock())
        connected = take(key, wanted, { isShared: true });
      if (connected === undefined) {
        const made = await connect(remote, definition, credentials, { signal, onIdentity });
        if (!('type' in made)) {
          held.set(key, (held.get(key) ?? new Set()).add(made));
          connected = made;
        } else {
          if (made.type !== 'wait' || made.reason !== 'connections') return made;
          fullUntil.set(key, clock() + FULL_MS);
          connected = take(key, wanted, { isShared: true });
          if (connected === undefined) return made;
        }
      }
      connected.uses += 1;
      const connection = connected.connection.share?.() ?? connected.connection;
      const onAbort = (): void => void connection.close();
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        return { type: 'used', result: await work(connection, { definition }) };
      } catch (error) {
        if (!(error instanceof RemoteError) || error.endsConnection) connected.isLeaving = true;
        throw error;
      } finally {
        signal?.removeEventListener('abort', onAbort);
        if (connection !== connected.connection) await connection.close();
        await giveBack(connected);
      }
    },
    async find({ tenantId, name }) {
      const found = await directory.find(tenantId, name);
      return found.ok ? found.opened : undefined;
    },
    states() {
      return [...held].map(([key, connections]) => {
        const [tenantId = '', remote = ''] = key.split('/');
        const busy = [...connections].filter(({ uses }) => uses > 0).length;
        return { tenantId, remote, busy, idle: connections.size - busy };
      });
    },
    async close() {
      isClosed = true;
      for (const connected of [...held.values()].flatMap((connections) => [...connections]))
        if (connected.uses === 0) void discard(connected);
      await Promise.all(leaving);
      directory.clear();
    },
  };
}
