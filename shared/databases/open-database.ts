/**
 * A tenant's database, by its definition: a pool, made with the first statement and closed with the definition.
 *
 * 1. No connection is opened to an address that the guard does not allow; the server's certificate must hold.
 * 2. Every statement ends: by its deadline, or by the signal, with which the server is asked to cancel it.
 * 3. One statement is one transaction.
 * 4. The password is asked of the secret store for each connection, which knows when it was rotated.
 */
import postgres from 'postgres';
import type { Sql } from '#shared/db/connect-database.ts';
import type { DatabaseDocument } from '#shared/definitions/database-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { connectSocket } from '#shared/remotes/connect-socket.ts';
import { SecretError, type SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { VERSION } from '#shared/runtime/version.ts';
import { classifyDatabaseError, DatabaseError } from './database-error.ts';

/** As postgres.js makes them. */
type CancellableQuery = PromiseLike<unknown> & { cancel(): void };

export interface OpenDatabase {
  readonly definition: DatabaseDocument;
  /** One statement. @throws DatabaseError, SecretError */
  run<Row>(statement: (sql: Sql) => CancellableQuery, signal: AbortSignal): Promise<Row[]>;
  close(): void;
}

export interface OpenDatabaseOptions {
  /** Of the tenant. */
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
}

const CONNECT_MS = 10_000;
/** The large commit of a file of millions of rows. */
const STATEMENT_MS = 3_600_000;
/** From the signal to the server's word that it cancelled. */
const CANCEL_MS = 5_000;

export function openDatabase(
  definition: DatabaseDocument,
  { secrets, addressGuard }: OpenDatabaseOptions,
): OpenDatabase {
  const { name, host, port, database, user, password, tls, limits, pooler } = definition;
  let opened: Promise<Sql> | undefined;

  async function open(): Promise<Sql> {
    const authority = tls.authority === undefined ? undefined : (await secrets.read(tls.authority)).text;
    const ssl =
      tls.mode === 'off'
        ? false
        : { servername: host, rejectUnauthorized: true, ...(authority !== undefined && { ca: authority }) };
    return postgres({
      host,
      port,
      database,
      username: user,
      password: async () => (await secrets.read(password)).text,
      ssl,
      // Not in the types.
      ...{
        socket: () => connectSocket({ host, port }, { guard: addressGuard, signal: AbortSignal.timeout(CONNECT_MS) }),
      },
      max: limits.connections,
      prepare: !pooler,
      connect_timeout: CONNECT_MS / 1_000,
      idle_timeout: 10,
      // One query of an unknown type for each connection otherwise.
      fetch_types: false,
      backoff: false,
      onnotice: () => {},
      connection: { application_name: `longshore-load/${VERSION}`, statement_timeout: STATEMENT_MS, TimeZone: 'UTC' },
    });
  }

  return {
    definition,
    async run(statement, signal) {
      try {
        signal.throwIfAborted();
        // The secrets may be read another time.
        opened ??= open().catch((error: unknown) => {
          opened = undefined;
          throw error;
        });
        return await untilAborted(statement(await opened), name, signal);
      } catch (error) {
        if (error instanceof SecretError) throw error;
        throw classifyDatabaseError(error, name);
      }
    },
    close() {
      opened?.then((sql) => sql.end({ timeout: 5 })).catch(() => {});
    },
  };
}

async function untilAborted<Rows>(query: CancellableQuery, name: string, signal: AbortSignal): Promise<Rows> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const cancel = (): void => {
    query.cancel();
    timer = setTimeout(
      () =>
        reject(
          new DatabaseError('unavailable', `The database ${name} did not answer in time.`, { isOutcomeUnknown: true }),
        ),
      CANCEL_MS,
    );
  };
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return (await Promise.race([query, given])) as Rows;
  } finally {
    signal.removeEventListener('abort', cancel);
    clearTimeout(timer);
  }
}
