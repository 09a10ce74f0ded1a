/**
 * What the partner saw and did, call by call: the witness of tests, as a file of JSON lines.
 *
 * 1. A call is in the file before the caller hears anything, so a killed simulator has forgotten no effect that anybody knows of.
 *    The file is not synced each time: a power cut may lose lines, a killed process does not.
 * 2. A line that was cut off by a kill is dropped at the next start; its caller never got a reply.
 * 3. It holds ids and words, never headers or bodies: no token can end here.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { makePrivate } from '#local/private-file.ts';
import type { ApiName } from './partner-apis.ts';

export interface LedgerCall {
  /** From 1, without gaps. */
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  readonly api: ApiName;
  readonly record: string;
  readonly idempotencyKey?: string;
  readonly requestId?: string;
  /** Who called, as the gateway's authorizer says. */
  readonly subject?: string;
  /** `accepted` and `rejected` reached the caller as far as the simulator knows; `faulted` did not, or not whole. */
  readonly outcome: 'accepted' | 'rejected' | 'faulted';
  /** The word of the fault that was played. */
  readonly fault?: string;
  /** `replayed`: the key was known, nothing was done a second time. */
  readonly effect: 'none' | 'made' | 'replayed';
  /** Of the request's contents. */
  readonly contentHash: string;
}

export interface LedgerQuery {
  readonly api?: string;
  readonly record?: string;
  readonly idempotencyKey?: string;
  /** Calls after this one. */
  readonly after?: number;
  readonly limit?: number;
}

const DEFAULT_LIMIT = 1_000;

export class CallLedger {
  readonly #file: number;
  readonly #calls: LedgerCall[];
  readonly #counts = new Map<string, number>();
  readonly #effects = new Map<string, LedgerCall>();

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#file = openSync(makePrivate(path), 'a+');
    const bytes = readFileSync(path);
    const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
    if (wholeBytes < bytes.length) ftruncateSync(this.#file, wholeBytes);
    const lines = bytes.subarray(0, wholeBytes).toString('utf8').split('\n').slice(0, -1);
    this.#calls = lines.map((line) => JSON.parse(line) as LedgerCall);
    for (const call of this.#calls) this.#index(call);
  }

  get nextSeq(): number {
    return this.#calls.length + 1;
  }

  get calls(): readonly LedgerCall[] {
    return this.#calls;
  }

  append(call: LedgerCall): void {
    writeSync(this.#file, `${JSON.stringify(call)}\n`);
    this.#calls.push(call);
    this.#index(call);
  }

  countCalls(api: ApiName, record: string): number {
    return this.#counts.get(`${api}\0${record}`) ?? 0;
  }

  /** The call that had the effect of this key. */
  findEffect(api: ApiName, idempotencyKey: string): LedgerCall | undefined {
    return this.#effects.get(`${api}\0${idempotencyKey}`);
  }

  find({ api, record, idempotencyKey, after = 0, limit = DEFAULT_LIMIT }: LedgerQuery): LedgerCall[] {
    const found: LedgerCall[] = [];
    for (let index = after; index < this.#calls.length && found.length < limit; index += 1) {
      const call = this.#calls[index];
      if (call === undefined) break;
      const isAsked =
        (api === undefined || call.api === api) &&
        (record === undefined || call.record === record) &&
        (idempotencyKey === undefined || call.idempotencyKey === idempotencyKey);
      if (isAsked) found.push(call);
    }
    return found;
  }

  close(): void {
    closeSync(this.#file);
  }

  #index(call: LedgerCall): void {
    const name = `${call.api}\0${call.record}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (call.effect === 'made' && call.idempotencyKey !== undefined) {
      this.#effects.set(`${call.api}\0${call.idempotencyKey}`, call);
    }
  }
}
