/**
 * The issuer's public keys, kept between invocations.
 *
 * 1. Only keys that came from the configured address count: `jwk`, `jku`, `x5u` and `x5c` in a token are never followed.
 * 2. An unknown key id asks the issuer again, but at most once per cool-down, whatever the tokens say; side-by-side questions share one.
 * 3. While the issuer does not answer, or answers nonsense, the keys at hand serve up to `maxAgeMs`; after that nobody is let in.
 * 4. An answer is bounded in time, bytes and number of keys, and never replaces good keys unless it is good as a whole.
 */
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JWK,
  type JWSHeaderParameters,
} from 'jose';
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
  findKey(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey>;
}

const LARGEST_ANSWER_BYTES = 262_144;
const MOST_KEYS = 100;
const LONGEST_KEY_ID = 256;

const keySetSchema = z.object({
  keys: z
    .array(
      z.looseObject({ kty: z.string(), kid: z.string().max(LONGEST_KEY_ID).optional(), use: z.string().optional() }),
    )
    .min(1)
    .max(MOST_KEYS),
});

interface HeldKeys {
  readonly ids: ReadonlySet<string>;
  readonly find: ReturnType<typeof createLocalJWKSet>;
  readonly fetchedAt: number;
}

export function createKeyCache(options: KeyCacheOptions): KeyCache {
  const { url, now } = options;
  const client = createGotClient({ timeoutMs: options.timeoutMs, maxBodyBytes: LARGEST_ANSWER_BYTES });
  let held: HeldKeys | undefined;
  let lastTry: { readonly at: number; readonly fault?: string } | undefined;
  let asking: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    if (asking !== undefined) return asking;
    if (lastTry !== undefined && isWithin(lastTry.at, options.cooldownMs)) return;
    asking = ask().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  async function ask(): Promise<void> {
    const outcome = await client.send({ method: 'GET', url, headers: { accept: 'application/json' } });
    const at = now();
    if (outcome.type !== 'replied') {
      lastTry = { at, fault: outcome.message };
    } else if (outcome.status !== 200) {
      lastTry = { at, fault: `it answered HTTP ${outcome.status}` };
    } else {
      const keys = readKeys(outcome.body);
      if (keys === undefined) {
        lastTry = { at, fault: 'its answer is no set of public keys' };
      } else {
        held = { ids: new Set(keys.map(({ kid }) => kid)), find: createLocalJWKSet({ keys }), fetchedAt: at };
        lastTry = { at };
      }
    }
  }

  /** A clock that was set back makes everything old. */
  function isWithin(since: number, ms: number): boolean {
    const age = now() - since;
    return age >= 0 && age < ms;
  }

  return {
    async findKey(header, token) {
      const { kid } = header;
      if (typeof kid !== 'string' || kid.length > LONGEST_KEY_ID) throw new errors.JWKSNoMatchingKey();
      const isKnown = () => held?.ids.has(kid) === true;
      if (!isKnown() || held === undefined || !isWithin(held.fetchedAt, options.refreshMs)) await refresh();
      const isUsable = held !== undefined && isWithin(held.fetchedAt, options.maxAgeMs);
      if (held === undefined || !isUsable || (!isKnown() && lastTry?.fault !== undefined)) {
        throw new LongshoreError(
          'DEPENDENCY_UNAVAILABLE',
          `The keys at ${url.origin}${url.pathname} could not be read: ${lastTry?.fault ?? 'they are too old'}.`,
        );
      }
      return held.find(header, token);
    },
  };
}

/** The keys that a signature can be checked with; undefined when the answer is none, or has none. */
function readKeys(body: Buffer): (JWK & { kid: string })[] | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = keySetSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const keys = parsed.data.keys.filter(
    (key): key is typeof key & { kid: string } =>
      key.kid !== undefined && key.use !== 'enc' && ['RSA', 'EC', 'OKP'].includes(key.kty),
  );
  return keys.length === 0 ? undefined : (keys as (JWK & { kid: string })[]);
}
