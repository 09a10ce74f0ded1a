/**
 * One call of a partner's API: looked at, noted in the ledger, answered.
 *
 * 1. Fault, effect and ledger line are decided and written in one go, without waiting between: calls side by side with one key have
 *    one effect.
 * 2. Magic values in the record win over the behaviour that is set for all.
 */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { CallLedger, LedgerCall } from './call-ledger.ts';
import type { ApiReply, PartnerApi } from './partner-apis.ts';
import { playReply } from './play-reply.ts';
import { type Behaviour, chooseFault, chooseLatencyMs } from './simulated-behaviour.ts';
import { findAskedFaults, parseFault, type SimulatedFault } from './simulated-fault.ts';

export interface PartnerCall {
  readonly api: PartnerApi;
  /** From the JSON body or the query. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly idempotencyKey: string | undefined;
  readonly requestId: string;
  readonly subject: string | undefined;
}

export interface CallContext {
  readonly ledger: CallLedger;
  readonly behaviour: Behaviour;
  readonly random: () => number;
}

const KEY_REUSED: ApiReply = {
  status: 422,
  body: { code: 'IDEMPOTENCY_KEY_REUSED', message: 'Another request had this key.' },
};

export async function handleCall(call: PartnerCall, response: ServerResponse, context: CallContext): Promise<void> {
  const { reply, fault, delayMs } = settleCall(call, context);
  const slow: SimulatedFault | undefined =
    fault === undefined && delayMs > 0 ? { type: 'slow', delayMs, effect: true } : fault;
  await playReply({ response, reply, fault: slow, requestId: call.requestId });
}

interface SettledCall {
  readonly reply: ApiReply;
  readonly fault: SimulatedFault | undefined;
  readonly delayMs: number;
}

function settleCall(call: PartnerCall, { ledger, behaviour, random }: CallContext): SettledCall {
  const { api, fields } = call;
  const now = new Date();
  const contentHash = createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, 16);
  const record = typeof fields.recordKey === 'string' ? fields.recordKey.slice(0, 200) : contentHash;
  const delayMs = chooseLatencyMs(behaviour, api.name, random);
  const values = Object.values(fields).filter((value) => typeof value === 'string');
  const made = ledger.countCalls(api.name, record);
  const asked = findAskedFaults(values, api.name).find(({ times }) => times === undefined || made < times);
  const word = asked?.word ?? chooseFault(behaviour, api.name, random);
  const fault = word === undefined ? undefined : parseFault(word, now.getTime());
  const isDone = fault === undefined || fault.effect;

  const key = api.knowsKeys ? call.idempotencyKey : undefined;
  const earlier = key === undefined ? undefined : ledger.findEffect(api.name, key);
  const isReused = isDone && earlier !== undefined && earlier.contentHash !== contentHash;
  const seq = ledger.nextSeq;
  const entry: LedgerCall = {
    seq,
    at: now.toISOString(),
    api: api.name,
    record,
    ...(call.idempotencyKey !== undefined && { idempotencyKey: call.idempotencyKey.slice(0, 200) }),
    requestId: call.requestId,
    ...(call.subject !== undefined && { subject: call.subject.slice(0, 256) }),
    outcome: isReused ? 'rejected' : outcomeOf(fault),
    ...(word !== undefined && { fault: word }),
    effect: !api.hasEffect || !isDone || isReused ? 'none' : earlier === undefined ? 'made' : 'replayed',
    contentHash,
  };
  ledger.append(entry);
  if (isReused) return { reply: KEY_REUSED, fault: undefined, delayMs };
  const reply = fault?.type === 'reject' ? api.reject(fault.isFinal) : api.accept(earlier?.seq ?? seq);
  return { reply, fault, delayMs };
}

function outcomeOf(fault: SimulatedFault | undefined): LedgerCall['outcome'] {
  if (fault === undefined || fault.type === 'slow') return 'accepted';
  return fault.type === 'reject' ? 'rejected' : 'faulted';
}
