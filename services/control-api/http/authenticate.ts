/**
 * Whose API key, or access token, a request carries.
 *
 * 1. Fails closed: no answer of the database means no access, whatever was known before the cached answer ended.
 * 2. A found key is remembered for `cacheMs` and no longer, so a revoked one stops working within that time.
 * 3. Keys are known here by their SHA-256 alone, compared in constant time; a guess learns nothing from how long a refusal takes.
 * 4. A key that was valid before is looked up again whatever strangers do: it has its own line.
 * 5. Keys never seen as valid cost the caller's `allowance` before the look-up; beyond it they share one look-up at a time with a short
 *    line, so that a new key behind an address that others abuse still comes through, and guesses cost the database next to nothing.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Caller } from '#shared/access/permissions.ts';

export interface AuthenticatorOptions {
  readonly findKey: (key: string) => Promise<Caller | undefined>;
  readonly cacheMs: number;
  /** False of what needs no look-up to be refused; by default of what has not the form of our keys. */
  readonly isPlausible?: (key: string) => boolean;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

export type Authentication =
  | { readonly type: 'known'; readonly owner: Caller }
  /** Unknown, revoked, or no key at all. */
  | { readonly type: 'unknown' }
  /** Its allowance is spent, and it was not looked up or is unknown. */
  | { readonly type: 'limited' };

/** `allowance` is spent once for what has no known key: resolves to whether there was some left. */
export type Authenticate = (key: string | undefined, allowance: () => Promise<boolean>) => Promise<Authentication>;

/** What any key of ours fits; saves a look-up for whatever does not. */
const KEY_FORM = /^[\x21-\x7e]{16,200}$/;
const CACHED_KEYS = 10_000;
const LOOKUPS_AT_ONCE = 2;
/** Beyond this, waiting in line would take longer than a request may. */
const LOOKUPS_WAITING = 200;
const LOOKUPS_WAITING_BEYOND_ALLOWANCE = 20;

const UNKNOWN = { type: 'unknown' } as const;
const LIMITED = { type: 'limited' } as const;

interface CachedKey {
  readonly digest: Buffer;
  readonly owner: Caller;
  readonly expiresAt: number;
}

export function createAuthenticator({
  findKey,
  cacheMs,
  isPlausible = (key) => KEY_FORM.test(key),
  now = () => performance.now(),
}: AuthenticatorOptions): Authenticate {
  const cache = new Map<string, CachedKey>();
  const lookups = { ofSeen: pLimit(LOOKUPS_AT_ONCE), ofNew: pLimit(LOOKUPS_AT_ONCE), beyondAllowance: pLimit(1) };

  async function lookUp(line: LimitFunction, key: string, digest: Buffer, slot: string): Promise<Authentication> {
    // From before the question: an answer that was slow to come is not believed for longer.
    const expiresAt = now() + cacheMs;
    const owner = await line(() => findKey(key));
    const cached = cache.get(slot);
    if (cached !== undefined && timingSafeEqual(cached.digest, digest)) cache.delete(slot);
    if (owner === undefined) return UNKNOWN;
    if (cache.size >= CACHED_KEYS) cache.delete(cache.keys().next().value ?? '');
    cache.set(slot, { digest, owner, expiresAt });
    return { type: 'known', owner };
  }

  return async (key, allowance) => {
    if (key === undefined || !isPlausible(key)) return (await allowance()) ? UNKNOWN : LIMITED;
    const digest = createHash('sha256').update(key).digest();
    const slot = digest.toString('hex', 0, 8);
    const cached = cache.get(slot);
    if (cached !== undefined && timingSafeEqual(cached.digest, digest)) {
      if (cached.expiresAt > now()) return { type: 'known', owner: cached.owner };
      const found = await lookUp(lookups.ofSeen, key, digest, slot);
      return found.type === 'known' || (await allowance()) ? found : LIMITED;
    }
    if (await allowance()) {
      if (lookups.ofNew.pendingCount >= LOOKUPS_WAITING) return LIMITED;
      return await lookUp(lookups.ofNew, key, digest, slot);
    }
    if (lookups.beyondAllowance.pendingCount >= LOOKUPS_WAITING_BEYOND_ALLOWANCE) return LIMITED;
    const found = await lookUp(lookups.beyondAllowance, key, digest, slot);
    return found.type === 'known' ? found : LIMITED;
  };
}
