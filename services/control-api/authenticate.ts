/**
 * Whose API key a request carries.
 *
 * 1. Fails closed: no answer of the database means no access, whatever was known before the cached answer ended.
 * 2. A found key is remembered for `cacheMs` and no longer, so a revoked one stops working within that time.
 * 3. Keys are known here by their SHA-256 alone, compared in constant time; a guess learns nothing from how long a refusal takes.
 * 4. Unknown keys cost the database at most two look-ups at a time, however many come.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import pLimit from 'p-limit';
import { LongshoreError } from '#shared/errors.ts';
import type { ApiKeyOwner } from '#shared/jobs/api-keys.ts';

export interface AuthenticatorOptions {
  readonly findKey: (key: string) => Promise<ApiKeyOwner | undefined>;
  readonly cacheMs: number;
  /** Monotonic, in ms. */
  readonly now?: () => number;
}

/** Resolves to undefined when the key is unknown, revoked or no key at all. */
export type Authenticate = (key: string | undefined) => Promise<ApiKeyOwner | undefined>;

/** What any key of ours fits; saves a look-up for whatever does not. */
const KEY_FORM = /^[\x21-\x7e]{16,200}$/;
const CACHED_KEYS = 10_000;
const LOOKUPS_AT_ONCE = 2;
/** Beyond this, waiting in line would take longer than a request may. */
const LOOKUPS_WAITING = 200;

interface CachedKey {
  readonly digest: Buffer;
  readonly owner: ApiKeyOwner;
  readonly expiresAt: number;
}

export function createAuthenticator({
  findKey,
  cacheMs,
  now = () => performance.now(),
}: AuthenticatorOptions): Authenticate {
  const cache = new Map<string, CachedKey>();
  const lookups = pLimit(LOOKUPS_AT_ONCE);

  return async (key) => {
    if (key === undefined || !KEY_FORM.test(key)) return undefined;
    const digest = createHash('sha256').update(key).digest();
    const slot = digest.toString('hex', 0, 8);
    const cached = cache.get(slot);
    if (cached !== undefined && cached.expiresAt > now() && timingSafeEqual(cached.digest, digest)) return cached.owner;
    if (lookups.pendingCount >= LOOKUPS_WAITING)
      throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'Too many keys wait to be looked up.');
    // From before the question: an answer that was slow to come is not believed for longer.
    const expiresAt = now() + cacheMs;
    const owner = await lookups(() => findKey(key));
    cache.delete(slot);
    if (owner === undefined) return undefined;
    if (cache.size >= CACHED_KEYS) cache.delete(cache.keys().next().value ?? '');
    cache.set(slot, { digest, owner, expiresAt });
    return owner;
  };
}
