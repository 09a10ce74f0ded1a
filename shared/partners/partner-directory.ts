/**
 * The partners of all tenants as this process calls them: the current definition, its connections, and its limits.
 *
 * 1. The definition that is applied now counts. It is looked at again every `LOOK_AGAIN_MS`, by its version; whoever asks meanwhile is
 *    given what is known, and a database that is away changes nothing for those that are known.
 * 2. A definition that was replaced goes on until its calls have ended, and is closed then.
 * 3. A partner that is not there, or whose definition this version cannot use, is a value: its records wait for the definition.
 * 4. A tenant's definitions reach the tenant's own secrets alone.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import type { Sql } from '#shared/db/connect-database.ts';
import { type PartnerDocument, partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { type CallOutcome, createPartnerCaller, type PartnerCall, type PartnerCaller } from './call-partner.ts';
import { leaseRateSlice, SLICE_MS } from './lease-rate-slice.ts';

export interface OpenPartner {
  readonly definition: PartnerDocument;
  readonly breakerOpenForMs: number;
  /** Runs a walk of a record once so few are begun at this partner that its calls will be made soon. */
  readonly begun: LimitFunction;
  /** Runs the storing of an outcome, during which one more walk may be begun. */
  whileStoring<Stored>(store: () => Promise<Stored>): Promise<Stored>;
  /** Waits for one of the calls that may be under way side by side. `isWanted` is asked when it is there. */
  call(call: PartnerCall, isWanted: () => boolean): Promise<CallOutcome>;
}

export type FoundPartner =
  | { readonly ok: true; readonly partner: OpenPartner }
  | { readonly ok: false; readonly message: string };

export interface PartnerDirectory {
  /** @throws what the database said, for a partner that is not known yet. */
  find(tenantId: string, name: string): Promise<FoundPartner>;
  /** Those that were asked for. */
  states(): { readonly tenantId: string; readonly name: string; readonly isBreakerOpen: boolean }[];
  close(): void;
}

export interface PartnerDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const LOOK_AGAIN_MS = 15_000;
/** Records that are begun and wait for one call slot, or are in it: a few, so that it is never free; more would only wait. */
const WAITING_PER_CALL = 3;
/**
 * While outcomes are being stored, other records take their places at the partner: a commit takes several times as long as a call of a fast
 * partner, and the more records share one, the less it costs. This bounds what a worker that is killed leaves begun.
 */
const BEGUN_PER_CALL = 8;

interface Known {
  readonly tenantId: string;
  readonly name: string;
  readonly version: number;
  readonly found: FoundPartner & { readonly retire?: () => void; readonly caller?: PartnerCaller };
  lookedAtMs: number;
}

export function createPartnerDirectory(options: PartnerDirectoryOptions): PartnerDirectory {
  const { sql, secrets, addressGuard, logger, now = () => performance.now() } = options;
  const known = new Map<string, Known>();
  const looking = new Map<string, Promise<Known>>();

  async function look(tenantId: string, name: string, before: Known | undefined): Promise<Known> {
    const [row] = await sql<{ version: number; definition: unknown }[]>`
      SELECT version, CASE WHEN version IS DISTINCT FROM ${before?.version ?? null}::int THEN definition END AS definition
      FROM partners WHERE tenant_id = ${tenantId} AND name = ${name}`;
    const version = row?.version ?? 0;
    if (before !== undefined && before.version === version) {
      before.lookedAtMs = now();
      return before;
    }
    before?.found.retire?.();
    const found = row === undefined ? unknownPartner(name) : open(tenantId, name, row.definition);
    return { tenantId, name, version, found, lookedAtMs: now() };
  }

  function open(tenantId: string, name: string, stored: unknown): Known['found'] {
    const parsed = partnerDocumentSchema.safeParse(stored);
    if (!parsed.success) {
      logger.error({ tenant: tenantId, partner: name, err: parsed.error }, 'partner definition cannot be used');
      return { ok: false, message: `The stored definition of the partner ${name} cannot be used.` };
    }
    const definition = parsed.data;
    const { ratePerSecond } = definition.limits;
    const caller = createPartnerCaller({
      definition,
      secrets: secretsOfTenant(secrets, tenantId),
      addressGuard,
      ...(ratePerSecond !== undefined && {
        leaseSlice: () => leaseRateSlice(sql, { tenantId, partner: name, ratePerSecond }),
      }),
    });
    const { partner, retire } = openPartner(definition, caller);
    return { ok: true, partner, retire, caller };
  }

  async function lookOnce(key: string, tenantId: string, name: string): Promise<Known> {
    const before = known.get(key);
    try {
      const seen = await look(tenantId, name, before);
      known.set(key, seen);
      return seen;
    } catch (error) {
      if (before === undefined) throw error;
      logger.warn({ err: error, tenant: tenantId, partner: name }, 'partner cannot be looked at again');
      before.lookedAtMs = now();
      return before;
    } finally {
      looking.delete(key);
    }
  }

  return {
    async find(tenantId, name) {
      const key = `${tenantId}/${name}`;
      const held = known.get(key);
      if (held !== undefined && now() - held.lookedAtMs < LOOK_AGAIN_MS) return held.found;
      let look = looking.get(key);
      if (look === undefined) {
        look = lookOnce(key, tenantId, name);
        looking.set(key, look);
      }
      return (await look).found;
    },
    states: () =>
      [...known.values()].flatMap(({ tenantId, name, found }) =>
        found.ok ? [{ tenantId, name, isBreakerOpen: found.partner.breakerOpenForMs > 0 }] : [],
      ),
    close() {
      for (const { found } of known.values()) found.caller?.close();
      known.clear();
    },
  };
}

function unknownPartner(name: string): FoundPartner {
  return { ok: false, message: `The tenant has no partner ${name}.` };
}

function openPartner(definition: PartnerDocument, caller: PartnerCaller) {
  const { concurrency, ratePerSecond = Number.POSITIVE_INFINITY } = definition.limits;
  const calls = pLimit(concurrency);
  // More than a slice of the rate holds would be begun for nothing.
  const sliceCalls = Math.ceil((ratePerSecond * SLICE_MS) / 1_000);
  const begunAtOnce = (): number =>
    Math.min(WAITING_PER_CALL * concurrency + storing, BEGUN_PER_CALL * concurrency, sliceCalls);
  let storing = 0;
  const begun = pLimit(begunAtOnce());
  let isRetired = false;
  let users = 0;
  const closeWhenIdle = (): void => {
    if (isRetired && users === 0) caller.close();
  };
  const partner: OpenPartner = {
    definition,
    begun,
    async whileStoring(store) {
      storing += 1;
      begun.concurrency = begunAtOnce();
      try {
        return await store();
      } finally {
        storing -= 1;
        begun.concurrency = begunAtOnce();
      }
    },
    get breakerOpenForMs() {
      return caller.breakerOpenForMs;
    },
    async call(call, isWanted) {
      users += 1;
      try {
        return await calls(async () => (isWanted() ? await caller.call(call) : { type: 'withdrawn' }));
      } finally {
        users -= 1;
        closeWhenIdle();
      }
    },
  };
  return {
    partner,
    retire(): void {
      isRetired = true;
      closeWhenIdle();
    },
  };
}
