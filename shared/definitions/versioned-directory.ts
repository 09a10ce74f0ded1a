/**
 * Definitions of all tenants, opened as this process uses them.
 *
 * 1. The definition that is applied now counts. It is looked at again every `lookAgainMs`, by its version; those who ask together wait for
 *    one look, and a database that is down changes nothing for definitions that are known.
 * 2. What was opened from a definition that was replaced is retired: it continues for those who use it, and its owner closes it when they end.
 * 3. A definition that is not there, or that this version cannot use, is a value.
 */
import { LRUCache } from 'lru-cache';
import type { z } from 'zod';
import type { Logger } from '#shared/runtime/logger.ts';

export type Found<Opened> =
  | { readonly ok: true; readonly opened: Opened }
  | { readonly ok: false; readonly reason: 'absent' | 'unusable' };

export interface KnownDefinition<Opened> {
  readonly tenantId: string;
  readonly name: string;
  /** 0 when there is none. */
  readonly version: number;
  readonly found: Found<Opened>;
}

export interface DefinitionRow {
  readonly version: number;
  /** Null when the version is the known one. */
  readonly definition: unknown;
}

export interface FindOptions {
  /** Looked at again now: for a person who has just applied it. */
  readonly isFresh?: boolean | undefined;
}

export interface VersionedDirectory<Opened> {
  /** @throws what the database said, for a definition that is not known yet. */
  find(tenantId: string, name: string, options?: FindOptions): Promise<Found<Opened>>;
  /** Those that were asked for. */
  known(): KnownDefinition<Opened>[];
  clear(): void;
}

export interface VersionedDirectoryOptions<Document, Opened, Row extends DefinitionRow = DefinitionRow> {
  /** For log lines, e.g. `partner`. */
  readonly kind: string;
  readonly schema: z.ZodType<Document>;
  readonly look: (tenantId: string, name: string, knownVersion: number | null) => Promise<Row | undefined>;
  readonly open: (document: Document, tenantId: string) => Opened;
  readonly retire: (opened: Opened) => void;
  /** After each look that found it, also where its version is the known one. */
  readonly seen?: (opened: Opened, row: Row) => void;
  readonly lookAgainMs?: number;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: (() => number) | undefined;
}

const LOOK_AGAIN_MS = 15_000;
/** More than a fleet has; beyond it the ones not used for longest are retired. */
const MOST_KNOWN = 5_000;

export function createVersionedDirectory<Document, Opened, Row extends DefinitionRow = DefinitionRow>(
  options: VersionedDirectoryOptions<Document, Opened, Row>,
): VersionedDirectory<Opened> {
  const { kind, schema, look, open, retire, seen, lookAgainMs = LOOK_AGAIN_MS, logger } = options;
  const { now = () => performance.now() } = options;
  type Known = KnownDefinition<Opened>;

  const cache = new LRUCache<string, Known, { readonly tenantId: string; readonly name: string }>({
    max: MOST_KNOWN,
    ttl: lookAgainMs,
    ttlResolution: 0,
    // What was set at 0 never ends.
    perf: { now: () => now() + 1 },
    ignoreFetchAbort: true,
    fetchMethod: async (_key, before, { context: { tenantId, name } }) => {
      try {
        return await lookAgain(tenantId, name, before);
      } catch (error) {
        if (before === undefined) throw error;
        logger.warn({ err: error, tenant: tenantId, [kind]: name }, `${kind} cannot be looked at again`);
        return before;
      }
    },
    dispose: ({ found }, _key, reason) => {
      if (found.ok && (reason === 'set' || reason === 'evict')) retire(found.opened);
    },
  });

  async function lookAgain(tenantId: string, name: string, before: Known | undefined): Promise<Known> {
    const row = await look(tenantId, name, before?.version ?? null);
    const version = row?.version ?? 0;
    const known = before?.version === version ? before : knownFrom(tenantId, name, row);
    if (row !== undefined && known.found.ok) seen?.(known.found.opened, row);
    return known;
  }

  function knownFrom(tenantId: string, name: string, row: Row | undefined): Known {
    const found: Known['found'] =
      row === undefined ? { ok: false, reason: 'absent' } : use(tenantId, name, row.definition);
    return { tenantId, name, version: row?.version ?? 0, found };
  }

  function use(tenantId: string, name: string, stored: unknown): Found<Opened> {
    const parsed = schema.safeParse(stored);
    if (parsed.success) return { ok: true, opened: open(parsed.data, tenantId) };
    logger.error({ tenant: tenantId, [kind]: name, err: parsed.error }, `${kind} definition cannot be used`);
    return { ok: false, reason: 'unusable' };
  }

  return {
    find: async (tenantId, name, { isFresh = false } = {}) => {
      const context = { tenantId, name };
      const { found } = await cache.forceFetch(`${tenantId}/${name}`, { context, forceRefresh: isFresh });
      return found;
    },
    // Also what is being looked at again, which its iterators pass over.
    known: () => cache.dump().map(([, { value }]) => value),
    clear: () => cache.clear(),
  };
}
