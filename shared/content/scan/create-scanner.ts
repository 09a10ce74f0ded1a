/**
 * The scanner of a process: clamd, and whether it can be trusted.
 *
 * 1. No file is scanned before clamd found the canary of the same size, and an hour later it must find it again.
 * 2. What did not happen is never a pass: `unavailable` and `untrusted` are not a verdict about the file.
 */
import type { Histogram } from 'prom-client';
import { unlessAborted } from '#shared/runtime/within.ts';
import { canary } from './canary.ts';
import { type ClamdTimes, type ScanVerdict, scanWithClamd } from './clamd-client.ts';
import type { ClamdAddress } from './scan-variables.ts';

export type TrustedVerdict = ScanVerdict | { readonly type: 'untrusted'; readonly message: string };

export interface ScanRequest {
  readonly bytes: () => AsyncIterable<Uint8Array>;
  /** Of the largest file that the route lets through. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export type Scan = (request: ScanRequest) => Promise<TrustedVerdict>;

export interface ScannerOptions {
  readonly address: ClamdAddress;
  readonly seconds: Histogram<'verdict'>;
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  readonly times?: ClamdTimes;
}

const TRUST_MS = 3_600_000;
/** After a canary that was not found, or could not be asked for. */
const DOUBT_MS = 15_000;

export function createScanner({ address, seconds, now, times }: ScannerOptions): Scan {
  const trusts = new Map<number, { readonly verdict: Promise<TrustedVerdict>; readonly untilMs: Promise<number> }>();
  const within = (signal: AbortSignal) => ({ signal, ...(times !== undefined && { times }) });

  /** One for all that ask meanwhile; not ended by the signal of the one that began it. */
  async function findTrust(maxBytes: number): Promise<TrustedVerdict> {
    const known = trusts.get(maxBytes);
    if (known !== undefined && now() < (await known.untilMs)) return await known.verdict;
    if (known !== undefined && trusts.get(maxBytes) !== known) return await findTrust(maxBytes);
    const verdict = askCanary(maxBytes);
    const untilMs = verdict.then(({ type }) => now() + (type === 'infected' ? TRUST_MS : DOUBT_MS));
    trusts.set(maxBytes, { verdict, untilMs });
    return await verdict;
  }

  async function askCanary(maxBytes: number): Promise<TrustedVerdict> {
    const verdict = await scanWithClamd(
      address,
      canary(maxBytes),
      within(AbortSignal.timeout(CANARY_DEADLINE_MS)),
    ).catch((): ScanVerdict => ({ type: 'unavailable', message: 'clamd gave no verdict in time' }));
    if (verdict.type === 'infected' || verdict.type === 'unavailable') return verdict;
    const why =
      verdict.type === 'clean'
        ? 'it has no signatures, or does not look into archives of this size'
        : 'its limits are below the size that the route lets through, or it took longer than its MaxScanTime';
    return {
      type: 'untrusted',
      message: `clamd did not find the test file in an archive of ${maxBytes} bytes: ${why}`,
    };
  }

  return async ({ bytes, maxBytes, signal }) => {
    const startedMs = now();
    const trust = await unlessAborted(findTrust(maxBytes), signal);
    const verdict = trust.type === 'infected' ? await scanWithClamd(address, bytes(), within(signal)) : trust;
    seconds.observe({ verdict: verdict.type }, (now() - startedMs) / 1_000);
    return verdict;
  };
}

const CANARY_DEADLINE_MS = 120_000;
