/**
 * The issuer's public keys, kept between invocations.
 *
 * 1. Only keys that came from the configured address count: `jwk`, `jku`, `x5u` and `x5c` in a token are never followed.
 * 2. An unknown key id asks the issuer again, but at most once per cool-down, whatever the tokens say; side-by-side questions share one.
 * 3. While the issuer does not answer, or answers nonsense, the keys at hand serve up to `maxAgeMs`; after that nobody is let in.
 * 4. An answer is bounded in time, bytes and number of keys, and never replaces good keys unless it is good as a whole.
 */
import { type CryptoKey, createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';

export interface KeyCacheOptions {
  readonly url: URL;
  readonly timeoutMs: number;
  readonly refreshMs: number;
  readonly maxAgeMs: number;
  readonly cooldownMs: number;
  /** Wall clock in ms: a frozen Lambda has to see the time that passed. */
  readonly now: () => number;
}

export interface KeyCache {
  /** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when the issuer could not be asked; jose's error for a key that does not exist. */
  findKey(...token: Parameters<JWTVerifyGetKey>): Promise<CryptoKey>;
}

const LARGEST_ANSWER_BYTES = 262_144;
const MOST_KEYS = 100;
const LONGEST_KEY_ID = 256;
const PUBLIC_KEY_TYPES = ['RSA', 'EC', 'OKP'];

const keySetSchema = z.object({
  keys: z
    .array(
      z.looseObject({ kty: z.string(), kid: z.string().max(LONGEST_KEY_ID).optional(), use: z.string().optional() }),
    )
    .max(MOST_KEYS)
    // Without a key id a key is never found.
    .transform((keys) =>
      keys.filter(({ kid, use, kty }) => kid !== undefined && use !== 'enc' && PUBLIC_KEY_TYPES.includes(kty)),
    )
    .refine((keys) => keys.length > 0),
});

export function createKeyCache(options: KeyCacheOptions): KeyCache {
  const { url, now } = options;
  const client = createGotClient({ timeoutMs: options.timeoutMs, maxBodyBytes: LARGEST_ANSWER_BYTES });
  let fetchedAt: number | undefined;
  let lastTry: { readonly at: number; readonly fault?: string } | undefined;

  /**
   * jose asks once for all who wait, and keeps the keys it has when that fails. When to ask is decided here: its own cool-down counts
   * successful answers only, so while the issuer is down each token would ask again.
   */
  const keySet = createRemoteJWKSet(url, {
    timeoutDuration: options.timeoutMs,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
    async [customFetch]() {
      const { keys, fault } = await fetchKeys();
      const at = now();
      lastTry = { at, ...(fault !== undefined && { fault }) };
      if (keys === undefined) throw new Error(fault);
      fetchedAt = at;
      return Response.json({ keys });
    },
  });

  async function fetchKeys(): Promise<{ readonly keys?: readonly unknown[]; readonly fault?: string }> {
    const outcome = await client.send({ method: 'GET', url, headers: { accept: 'application/json' } });
    if (outcome.type !== 'replied') return { fault: outcome.message };
    if (outcome.status !== 200) return { fault: `it answered HTTP ${outcome.status}` };
    const keys = readKeys(outcome.body);
    return keys === undefined ? { fault: 'its answer is not a set of public keys' } : { keys };
  }

  async function refresh(): Promise<void> {
    if (!keySet.reloading && isWithin(lastTry?.at, options.cooldownMs)) return;
    // Why it failed is in `lastTry`.
    await keySet.reload().catch(() => undefined);
  }

  /** A clock that was set back makes everything old. */
  function isWithin(since: number | undefined, ms: number): boolean {
    const age = since === undefined ? -1 : now() - since;
    return age >= 0 && age < ms;
  }

  const isUsable = (): boolean => isWithin(fetchedAt, options.maxAgeMs);

  return {
    async findKey(header, token) {
      const { kid } = header;
      if (typeof kid !== 'string' || kid.length > LONGEST_KEY_ID) throw new errors.JWKSNoMatchingKey();
      if (!isWithin(fetchedAt, options.refreshMs)) await refresh();
      try {
        if (isUsable()) return await keySet(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        await refresh();
        if (lastTry?.fault === undefined && isUsable()) return await keySet(header, token);
      }
      throw new LongshoreError(
        'DEPENDENCY_UNAVAILABLE',
        `The keys at ${url.origin}${url.pathname} could not be read: ${lastTry?.fault ?? 'they are too old'}.`,
      );
    },
  };
}

/** Undefined when the answer has no key that a signature can be checked with. */
function readKeys(body: Buffer): readonly unknown[] | undefined {
  try {
    return keySetSchema.safeParse(JSON.parse(new TextDecoder().decode(body))).data?.keys;
  } catch {
    return undefined;
  }
}
