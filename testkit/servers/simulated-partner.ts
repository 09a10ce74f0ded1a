/** The partner of a fleet, from outside: what its ledger saw, and how it behaves. */
import type { LedgerCall } from '#local/partner-simulator/call-ledger.ts';
import type { ApiName } from '#local/partner-simulator/partner-apis.ts';

export interface Behaviour {
  readonly latencies?: readonly { readonly api: ApiName | '*'; readonly fromMs: number; readonly toMs: number }[];
  readonly faults?: readonly { readonly api: ApiName | '*'; readonly fault: string; readonly share?: number }[];
}

export interface SimulatedPartner {
  readonly url: string;
  /** Every call so far, in order. */
  calls(): Promise<readonly LedgerCall[]>;
  /** Of one record, at one API when it is named. */
  callsOf(record: string, api?: ApiName): Promise<LedgerCall[]>;
  setBehaviour(behaviour: Behaviour): Promise<void>;
  /** Resolves to the number of tokens that were issued so far. */
  setIdentity(change: { readonly lifetimeS?: number; readonly rotateKey?: boolean }): Promise<number>;
}

const PAGE_CALLS = 10_000;

export function connectSimulatedPartner(url: string): SimulatedPartner {
  // The ledger only grows.
  const seen: LedgerCall[] = [];

  async function ask(path: string, body?: unknown): Promise<unknown> {
    const reply = await fetch(new URL(path, url), {
      ...(body !== undefined && { method: 'PUT', body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
    if (!reply.ok) throw new Error(`the simulated partner answered ${reply.status}: ${await reply.text()}`);
    return await reply.json();
  }

  async function calls(): Promise<readonly LedgerCall[]> {
    for (;;) {
      const after = seen.length;
      const page = (await ask(`/_ledger?after=${after}&limit=${PAGE_CALLS}`)) as { calls: LedgerCall[] };
      // Another look may have been faster.
      if (seen.length === after) seen.push(...page.calls);
      if (page.calls.length < PAGE_CALLS) return seen;
    }
  }

  return {
    url,
    calls,
    callsOf: async (record, api) =>
      (await calls()).filter((call) => call.record === record && (api === undefined || call.api === api)),
    setBehaviour: async (behaviour) => {
      await ask('/_behaviour', behaviour);
    },
    setIdentity: async (change) => ((await ask('/_identity', change)) as { issued: number }).issued,
  };
}
