/**
 * A tenant's database, by its definition: connections that are made when they are needed, `limits.connections` at a time.
 *
 * 1. No connection is opened to an address that the guard does not allow; the server's certificate must hold.
 * 2. Every statement ends: by its deadline, or by the signal, with which the server is asked to cancel it. A connection that did not answer is
 *    closed, and not used again.
 * 3. One statement is one transaction, but within `begin`. A transaction has its connection alone: postgres.js connects again without a word,
 *    and what follows would end the transaction of another.
 * 4. The password is asked of the secret store for each connection, which knows when it was rotated.
 */
import pLimit from 'p-limit';
import postgres from 'postgres';
import type { Sql } from '#shared/db/connect-database.ts';
import type { DatabaseDocument } from '#shared/definitions/database-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { connectSocket } from '#shared/remotes/connect-socket.ts';
import { SecretError, type SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { VERSION } from '#shared/runtime/version.ts';
import type { CancellableQuery } from './copy-in.ts';
import { classifyDatabaseError, DatabaseError } from './database-error.ts';

type Run = <Row>(statement: (sql: Sql) => CancellableQuery) => Promise<Row[]>;

export interface OpenDatabase {
  readonly definition: DatabaseDocument;
  /** One statement. @throws DatabaseError, SecretError */
  run<Row>(statement: (sql: Sql) => CancellableQuery, signal: AbortSignal): Promise<Row[]>;
  /** The caller ends it. @throws DatabaseError, SecretError */
  begin(signal: AbortSignal): Promise<DatabaseTransaction>;
  close(): void;
}

export interface DatabaseTransaction {
  /**
   * By `txid_current()`. Whoever changes something says so in the statement: when the connection was lost meanwhile, the statement runs on
   * another, outside of the transaction, where this is not true.
   */
  readonly id: string;
  readonly run: Run;
  /** What was done, or nothing. Where the reply says nothing of it, or the transaction was lost before, only a look at the database tells. */
  commit(): Promise<void>;
  /** Idempotent. What was not committed is undone. */
  end(): void;
}

export interface OpenDatabaseOptions {
  /** Of the tenant. */
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
}

const CONNECT_MS = 10_000;
/** The large commit of a file of millions of rows. */
const STATEMENT_MS = 3_600_000;
/** A worker that stands still, or whose file does not come, must not hold locks for ever. */
const IDLE_IN_TRANSACTION_MS = 120_000;
/** From the signal to the server's word that it cancelled. */
const CANCEL_MS = 5_000;

export function openDatabase(
  definition: DatabaseDocument,
  { secrets, addressGuard }: OpenDatabaseOptions,
): OpenDatabase {
  const { name, host, port, database, user, password, tls, limits, pooler } = definition;
  const places = pLimit(limits.connections);
  /** Connected or not; each has one connection at most. */
  const free: Sql[] = [];
  let isClosed = false;

  async function createClient(): Promise<Sql> {
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
      max: 1,
      prepare: !pooler,
      connect_timeout: CONNECT_MS / 1_000,
      idle_timeout: 10,
      // One query of an unknown type for each connection otherwise.
      fetch_types: false,
      backoff: false,
      onnotice: () => {},
      // PgBouncer refuses a connection that sets anything else.
      connection: {
        ...{ application_name: `longshore-load/${VERSION}`, TimeZone: 'UTC' },
        ...(!pooler && { statement_timeout: STATEMENT_MS }),
      },
    });
  }

  /** A place among the connections until `leave`; with an error that came of the connection it is not used again. */
  async function enter(signal: AbortSignal): Promise<{ readonly client: Sql; leave(error?: unknown): void }> {
    const entered = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    const abandon = (): void => {
      left.resolve();
      entered.reject(signal.reason);
    };
    signal.addEventListener('abort', abandon, { once: true });
    try {
      signal.throwIfAborted();
      void places(() => {
        entered.resolve();
        return left.promise;
      });
      await entered.promise;
      const client = free.pop() ?? (await createClient());
      return {
        client,
        leave(error) {
          // What is cancelled before it is sent looks like the server's answer.
          const isAnswer = error instanceof DatabaseError && error.sqlState !== undefined && !signal.aborted;
          const isGood = error === undefined || isAnswer;
          if (isGood && !isClosed) free.push(client);
          else void client.end({ timeout: 0 }).catch(() => {});
          left.resolve();
        },
      };
    } catch (error) {
      left.resolve();
      throw error;
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  async function classified<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof SecretError) throw error;
      throw classifyDatabaseError(error, name);
    }
  }

  return {
    definition,
    async run(statement, signal) {
      const { client, leave } = await classified(() => enter(signal));
      try {
        const rows = await classified(() => untilAborted(statement(client), name, signal));
        leave();
        return rows as never;
      } catch (error) {
        leave(error);
        throw error;
      }
    },
    async begin(signal) {
      const { client, leave } = await classified(() => enter(signal));
      let isEnded = false;
      const ending = (error?: unknown): void => {
        if (isEnded) return;
        isEnded = true;
        leave(error);
      };
      const run: Run = (statement) => classified(() => untilAborted(statement(client) as never, name, signal));
      const undone = new Error('closed, so that the server undoes it');
      try {
        await run((sql) => sql`BEGIN`);
        await run((sql) => sql.unsafe(`SET LOCAL idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`));
        if (pooler) await run((sql) => sql.unsafe(`SET LOCAL statement_timeout = ${STATEMENT_MS}`));
        const [row] = await run<{ id: string }>((sql) => sql`SELECT txid_current()::text AS id`);
        return {
          id: row?.id ?? '',
          run,
          async commit() {
            await run((sql) => sql`COMMIT`);
            ending();
          },
          end: () => ending(undone),
        };
      } catch (error) {
        ending(undone);
        throw error;
      }
    },
    close() {
      isClosed = true;
      for (const client of free.splice(0)) void client.end({ timeout: 5 }).catch(() => {});
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
