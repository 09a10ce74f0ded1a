/**
 * The external stores of all tenants, as this process writes to them.
 *
 * 1. The definition that is applied now counts. It is looked at again every `LOOK_AGAIN_MS`, by its version; a database that is away
 *    changes nothing for the stores that are known.
 * 2. A store whose definition was replaced is used on by whoever uses it, and closed when the last of them has ended.
 * 3. A store that is not there, or whose definition this version cannot use, is a value.
 * 4. A tenant's definitions reach the tenant's own secrets alone.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { storeDocumentSchema } from '#shared/definitions/store-schema.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { repeatOnLostDatabase } from '#shared/worker/repeat-on-lost-database.ts';
import { type ExternalStoreOptions, type OpenStore, openStore } from './open-store.ts';

export type UsedStore<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly message: string };

export interface StoreDirectory {
  /** @throws what `work` throws, or the database for a store that is not known yet. */
  use<Result>(
    place: { readonly tenantId: string; readonly name: string },
    work: (open: Pick<OpenStore, 'definition' | 'store'>) => Promise<Result>,
  ): Promise<UsedStore<Result>>;
  /** After the last use has ended. */
  close(): void;
}

export interface StoreDirectoryOptions extends Omit<ExternalStoreOptions, 'secrets'> {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const LOOK_AGAIN_MS = 15_000;
const LOOK_DEADLINE_MS = 5_000;

interface Known {
  /** 0 when there is none. */
  readonly version: number;
  readonly found: { readonly ok: true; readonly held: HeldStore } | { readonly ok: false; readonly message: string };
  lookedAtMs: number;
}

export function createStoreDirectory(options: StoreDirectoryOptions): StoreDirectory {
  const { sql, secrets, logger, now = () => performance.now() } = options;
  const known = new Map<string, Known>();
  const looking = new Map<string, Promise<Known>>();

  async function look(tenantId: string, name: string, before: Known | undefined): Promise<Known> {
    const [row] = await repeatOnLostDatabase(
      () => sql<{ version: number; definition: unknown }[]>`
        SELECT version, CASE WHEN version IS DISTINCT FROM ${before?.version ?? null}::int THEN definition END AS definition
        FROM stores WHERE tenant_id = ${tenantId} AND name = ${name}`,
      { deadlineMs: LOOK_DEADLINE_MS, forMs: LOOK_DEADLINE_MS },
    );
    const version = row?.version ?? 0;
    if (before !== undefined && before.version === version) return { ...before, lookedAtMs: now() };
    if (before?.found.ok) before.found.held.retire();
    const found =
      row === undefined
        ? { ok: false as const, message: `The tenant has no store ${name}` }
        : open(tenantId, name, row.definition);
    return { version, found, lookedAtMs: now() };
  }

  function open(tenantId: string, name: string, stored: unknown): Known['found'] {
    const parsed = storeDocumentSchema.safeParse(stored);
    if (parsed.success)
      return {
        ok: true,
        held: new HeldStore(openStore(parsed.data, { ...options, secrets: secretsOfTenant(secrets, tenantId) })),
      };
    logger.error({ tenant: tenantId, store: name, err: parsed.error }, 'store definition cannot be used');
    return { ok: false, message: `The stored definition of the store ${name} cannot be used` };
  }

  async function lookOnce(key: string, tenantId: string, name: string): Promise<Known> {
    const before = known.get(key);
    try {
      const seen = await look(tenantId, name, before);
      known.set(key, seen);
      return seen;
    } catch (error) {
      if (before === undefined) throw error;
      logger.warn({ err: error, tenant: tenantId, store: name }, 'store cannot be looked at again');
      before.lookedAtMs = now();
      return before;
    } finally {
      looking.delete(key);
    }
  }

  async function find(tenantId: string, name: string): Promise<Known> {
    const key = `${tenantId}/${name}`;
    const held = known.get(key);
    if (held !== undefined && now() - held.lookedAtMs < LOOK_AGAIN_MS) return held;
    const asked = looking.get(key) ?? lookOnce(key, tenantId, name);
    looking.set(key, asked);
    return await asked;
  }

  return {
    async use({ tenantId, name }, work) {
      const { found } = await find(tenantId, name);
      return found.ok ? { ok: true, result: await found.held.use(work) } : found;
    },
    close() {
      for (const { found } of known.values()) if (found.ok) found.held.retire();
      known.clear();
    },
  };
}

/** A store that is closed once it is retired and nobody uses it. */
class HeldStore {
  readonly #open: OpenStore;
  #users = 0;
  #isRetired = false;

  constructor(open: OpenStore) {
    this.#open = open;
  }

  async use<Result>(work: (open: OpenStore) => Promise<Result>): Promise<Result> {
    this.#users += 1;
    try {
      await this.#open.assertUsable();
      return await work(this.#open);
    } finally {
      this.#users -= 1;
      this.#closeWhenIdle();
    }
  }

  retire(): void {
    this.#isRetired = true;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#isRetired && this.#users === 0) this.#open.close();
  }
}
