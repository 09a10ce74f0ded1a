/**
 * Decides about one authentication request: public keys only.
 *
 * 1. Fails closed: whatever goes wrong in the look-up is a refusal.
 * 2. An unknown user takes the same way as a known one with another key: same look-up, same comparison, same reply.
 * 3. An RSA signature must be made with SHA-2 and by a key of at least 2,048 bits.
 */
import { createPublicKey, timingSafeEqual } from 'node:crypto';
import ssh2, { type AuthContext, type ParsedKey, type PublicKeyAuthContext } from 'ssh2';
import { makeSshKey } from './make-ssh-key.ts';
import type { SftpUser } from './user-root.ts';

export type FindUser = (username: string) => Promise<SftpUser | undefined>;

export type AuthenticationResult =
  | { readonly kind: 'accepted'; readonly user: SftpUser; readonly key: Buffer }
  /** The key would do; the client now has to sign with it. */
  | { readonly kind: 'key-known' }
  | { readonly kind: 'refused'; readonly reason: 'method' | 'key' | 'signature' }
  | { readonly kind: 'refused'; readonly reason: 'look-up'; readonly error: unknown };

/** AWS Transfer Family's rule, 3 to 100 characters; it also keeps log lines and metadata headers clean. */
const USERNAME = /^[A-Za-z0-9_][A-Za-z0-9_.@-]{2,99}$/;
const KEY_TYPES = new Set([
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
]);
const MIN_RSA_BITS = 2_048;

/** Compared against when there is no user, so that there is always a comparison. */
const NOBODYS_KEY = parseKeys([makeSshKey().public]);

export async function authenticate(context: AuthContext, findUser: FindUser): Promise<AuthenticationResult> {
  if (context.method !== 'publickey') return { kind: 'refused', reason: 'method' };
  let user: SftpUser | undefined;
  try {
    const found = await findUser(context.username);
    user = USERNAME.test(context.username) ? found : undefined;
  } catch (error) {
    return { kind: 'refused', reason: 'look-up', error };
  }
  const key = matchingKey(context.key, user === undefined ? NOBODYS_KEY : parseKeys(user.publicKeys));
  if (user === undefined || key === undefined || isSha1(context)) return { kind: 'refused', reason: 'key' };
  if (context.signature === undefined) return { kind: 'key-known' };
  return isSignedBy(key, context)
    ? { kind: 'accepted', user, key: key.getPublicSSH() }
    : { kind: 'refused', reason: 'signature' };
}

/** Whether the key that `user` logged in with is still one of the user's. */
export function isKeyOf(user: SftpUser, key: Buffer): boolean {
  return parseKeys(user.publicKeys).some((known) => known.getPublicSSH().equals(key));
}

function matchingKey(offered: PublicKeyAuthContext['key'], keys: readonly ParsedKey[]): ParsedKey | undefined {
  let match: ParsedKey | undefined;
  for (const key of keys) {
    const known = key.getPublicSSH();
    const isEqual =
      offered.algo === key.type && known.length === offered.data.length && timingSafeEqual(known, offered.data);
    if (isEqual) match = key;
  }
  return match;
}

function isSignedBy(key: ParsedKey, context: PublicKeyAuthContext): boolean {
  if (context.blob === undefined || context.signature === undefined) return false;
  return key.verify(context.blob, context.signature, context.hashAlgo) === true;
}

/** `ssh-rsa` as the name of a signature, not of a key, means SHA-1; ssh2 tells the others by their hash. */
function isSha1({ key, hashAlgo }: PublicKeyAuthContext): boolean {
  return key.algo === 'ssh-rsa' && hashAlgo !== 'sha256' && hashAlgo !== 'sha512';
}

function parseKeys(lines: readonly string[]): ParsedKey[] {
  return lines
    .flatMap((line) => line.split('\n'))
    .filter((line) => line.trim() !== '')
    .flatMap((line) => {
      const parsed = ssh2.utils.parseKey(line.trim());
      return parsed instanceof Error ? [] : parsed;
    })
    .filter((key) => KEY_TYPES.has(key.type) && !key.isPrivateKey() && isLongEnough(key));
}

function isLongEnough(key: ParsedKey): boolean {
  if (key.type !== 'ssh-rsa') return true;
  const bits = createPublicKey(key.getPublicPEM()).asymmetricKeyDetails?.modulusLength ?? 0;
  return bits >= MIN_RSA_BITS;
}
