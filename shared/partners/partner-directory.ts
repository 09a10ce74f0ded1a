/**
 * The partners of all tenants as this process calls them: the current definition, its connections, and its limits.
 *
 * 1. The definition that is applied now counts (`versioned-directory.ts`); a partner that is not there, or that this version cannot use,
 *    is a value: its records wait for the definition.
 * 2. A definition that was replaced continues until its calls have ended, and is closed then.
 * 3. A tenant's definitions reach the tenant's own secrets alone.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import type { Sql } from '#shared/db/connect-database.ts';
import { type PartnerDocument, partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { createVersionedDirectory, type DefinitionRow } from '#shared/definitions/versioned-directory.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { type CallOutcome, createPartnerCaller, type PartnerCall, type PartnerCaller } from './call-partner.ts';
import type { PartnerControl } from './hand-switch.ts';
import { leaseRateSlice, SLICE_MS } from './lease-rate-slice.ts';
import type { CallReports } from './report-calls.ts';

/** Of one record alone: others of its chunk continue. */
export interface PostponedCall {
  readonly type: 'postponed';
  readonly afterMs: number;
}

export interface OpenPartner {
  readonly definition: PartnerDocument;
  /** For so long no call is made, because of its breaker or an operator; 0 when one may be. */
  readonly closedForMs: number;
  /** By an operator. */
  readonly isPaused: boolean;
  /** Runs a walk of a record once so few are begun at this partner that its calls will be made soon. */
  readonly begun: LimitFunction;
  /** Runs the storing of an outcome, during which one more walk may be begun. */
  whileStoring<Stored>(store: () => Promise<Stored>): Promise<Stored>;
  /** Waits for one of the calls that may be under way side by side. `isWanted` is asked when it is there. */
  call(call: PartnerCall, isWanted: () => boolean): Promise<CallOutcome | PostponedCall>;
}

export type FoundPartner =
  | { readonly ok: true; readonly partner: OpenPartner }
  | { readonly ok: false; readonly message: string };

export interface PartnerDirectory {
  /** @throws what the database said, for a partner that is not known yet. */
  find(tenantId: string, name: string): Promise<FoundPartner>;
  /** Those that were asked for. */
  states(): { readonly tenantId: string; readonly name: string; readonly breakerOpenForMs: number }[];
  close(): void;
}

export interface PartnerDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  readonly addressGuard: AddressGuard;
  readonly logger: Logger;
  readonly reports?: Pick<CallReports, 'count'> | undefined;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** Records that are begun and wait for one call slot, or are in it: a few, so that it is never free; more would only wait. */
const WAITING_PER_CALL = 3;
/** What an operator decides counts after so long in every process. */
const LOOK_AGAIN_MS = 2_000;
/**
 * While outcomes are being stored, other records take their places at the partner: a commit takes several times as long as a call of a fast
 * partner, and the more records share one, the less it costs. This bounds what a worker that is killed leaves begun.
 */
const BEGUN_PER_CALL = 8;

type PartnerRow = DefinitionRow & PartnerControl;

interface HeldPartner {
  readonly partner: OpenPartner;
  readonly caller: PartnerCaller;
  readonly retire: () => void;
}

export function createPartnerDirectory(options: PartnerDirectoryOptions): PartnerDirectory {
  const { sql, secrets, addressGuard, logger, reports, now } = options;
  const directory = createVersionedDirectory<PartnerDocument, HeldPartner, PartnerRow>({
    kind: 'partner',
    schema: partnerDocumentSchema,
    logger,
    now,
    lookAgainMs: LOOK_AGAIN_MS,
    async look(tenantId, name, knownVersion) {
      const [row] = await sql<PartnerRow[]>`
        SELECT version, CASE WHEN version IS DISTINCT FROM ${knownVersion}::int THEN definition END AS definition,
          paused_at IS NOT NULL AS "isPaused", trials,
          CASE WHEN breaker_opened_at IS NULL THEN 0 WHEN breaker_open_until IS NULL THEN 'Infinity'
            ELSE greatest(0, extract(epoch FROM breaker_open_until - now()) * 1000) END::float8 AS "openForMs"
        FROM partners WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL`;
      return row;
    },
    open(definition, tenantId) {
      const { ratePerSecond } = definition.limits;
      const caller = createPartnerCaller({
        definition,
        secrets: secretsOfTenant(secrets, tenantId),
        addressGuard,
        ...(now !== undefined && { now }),
        ...(reports !== undefined && { onMade: (call) => reports.count(tenantId, definition.name, call) }),
        ...(ratePerSecond !== undefined && {
          leaseSlice: () => leaseRateSlice(sql, { tenantId, partner: definition.name, ratePerSecond }),
        }),
      });
      // One that waits for its turn for long must not miss what an operator decides meanwhile; it does not wait for the look.
      const lookAgain = () => void directory.find(tenantId, definition.name).catch(() => undefined);
      return { ...openPartner(definition, caller, lookAgain), caller };
    },
    seen: ({ caller }, row) => caller.obey(row),
    retire: ({ retire }) => retire(),
  });

  return {
    async find(tenantId, name) {
      const found = await directory.find(tenantId, name);
      if (found.ok) return { ok: true, partner: found.opened.partner };
      return {
        ok: false,
        message:
          found.reason === 'absent'
            ? `The tenant has no partner ${name}.`
            : `The stored definition of the partner ${name} cannot be used.`,
      };
    },
    states: () =>
      directory
        .known()
        .flatMap(({ tenantId, name, found }) =>
          found.ok ? [{ tenantId, name, breakerOpenForMs: found.opened.caller.breakerOpenForMs }] : [],
        ),
    close() {
      for (const { found } of directory.known()) if (found.ok) found.opened.caller.close();
      directory.clear();
    },
  };
}

function openPartner(definition: PartnerDocument, caller: PartnerCaller, lookAgain: () => void) {
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
    get closedForMs() {
      return caller.heldBy?.afterMs ?? caller.breakerOpenForMs;
    },
    get isPaused() {
      return caller.heldBy?.reason === 'paused';
    },
    async call(call, isWanted) {
      users += 1;
      try {
        return await calls(async () => {
          lookAgain();
          return isWanted() ? await caller.call(call) : { type: 'withdrawn' };
        });
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
