/**
 * A pool of connections that is replaced when its server has gone in a way that the connections themselves never notice.
 *
 * 1. A session that became read-only (SQLSTATE 25006) stays so: after a failover it belongs to a server that is no longer the primary.
 * 2. A host that died without closing its connections answers nothing until the kernel gives up, after some fifteen minutes. Where a statement
 *    is long past the server's own limit and nothing was answered since it began, the pool is gone.
 * 3. What was under way on the old pool fails as a lost connection, and is repeated by whoever repeats those.
 * 4. The types of arrays are fetched until the first statement was answered, not by every connection: postgres.js handles no error of that
 *    query, and a connection lost meanwhile would end the process.
 *
 * postgres.js offers no hook for the end of a statement; its `Query` keeps `handler`, `resolve` and `reject` as properties, which are wrapped.
 */
import type postgres from 'postgres';

export interface ReplaceablePoolOptions {
  readonly open: () => postgres.Sql;
  /** After which a statement without any answer means that the pool is gone. */
  readonly silenceMs: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

interface WatchedQuery {
  handler?: (query: unknown) => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** `read_only_sql_transaction`. */
const READ_ONLY = '25006';
const WATCH_EVERY_MS = 1_000;
/** Two pools a second help nobody: as long as the primary is not back, each would end the same. */
const LEAST_LIFE_MS = 1_000;

/** Which array type belongs to which type, as `sql.array` looks it up. */
function typesOf({ options }: postgres.Sql): object {
  return (options as unknown as { readonly shared: { readonly typeArrayMap: object } }).shared.typeArrayMap;
}

const replacers = new WeakMap<object, () => void>();

/** Gives the connections of a pool up and opens others. Does nothing for what is not a replaceable pool. */
export function replacePool(sql: postgres.Sql): void {
  replacers.get(sql)?.();
}

export function createReplaceablePool({
  open,
  silenceMs,
  now = () => performance.now(),
}: ReplaceablePoolOptions): postgres.Sql {
  let current = open();
  let openedAtMs = now();
  let lastAnswerMs = now();
  let isEnded = false;
  const running = new Map<object, number>();
  let watch: NodeJS.Timeout | undefined;

  function replace(): void {
    if (isEnded || now() - openedAtMs < LEAST_LIFE_MS) return;
    const old = current;
    current = open();
    // Drizzle sets these on the client that it was given.
    Object.assign(current.options.parsers, old.options.parsers);
    Object.assign(current.options.serializers, old.options.serializers);
    // postgres.js learns no type of arrays whose parser is there already.
    Object.assign(typesOf(current), typesOf(old));
    current.options.fetch_types = old.options.fetch_types;
    openedAtMs = now();
    void old.end({ timeout: 0 }).catch(() => undefined);
  }

  function look(): void {
    const startedMs = Math.min(...running.values());
    const isSilent = lastAnswerMs < startedMs && now() - startedMs > silenceMs;
    // One connection may be dead while the others are not.
    const isStuck = now() - startedMs > 2 * silenceMs;
    if (isSilent || isStuck) replace();
  }

  function began(query: object): void {
    running.set(query, now());
    watch ??= setInterval(look, WATCH_EVERY_MS).unref();
  }

  function ended(query: object): void {
    lastAnswerMs = now();
    running.delete(query);
    if (running.size > 0) return;
    clearInterval(watch);
    watch = undefined;
  }

  function watched<Made>(made: Made): Made {
    const query = made as unknown as WatchedQuery;
    if (typeof query?.handler !== 'function') return made;
    const { handler, resolve, reject } = query;
    const { options } = current;
    // Of a fragment it is never called.
    query.handler = (self) => {
      began(query);
      return handler(self);
    };
    query.resolve = (value) => {
      ended(query);
      options.fetch_types = false;
      resolve(value);
    };
    query.reject = (error) => {
      ended(query);
      if ((error as { readonly code?: unknown } | undefined)?.code === READ_ONLY) replace();
      reject(error);
    };
    return made;
  }

  const sql = new Proxy(current, {
    apply: (_target, _self, given) => watched(Reflect.apply(current, undefined, given)),
    get(_target, name) {
      if (name === 'unsafe') return (...given: Parameters<postgres.Sql['unsafe']>) => watched(current.unsafe(...given));
      if (name === 'end') {
        return (options?: { timeout?: number }) => {
          isEnded = true;
          clearInterval(watch);
          return current.end(options);
        };
      }
      return Reflect.get(current, name);
    },
  });
  replacers.set(sql, replace);
  return sql;
}
