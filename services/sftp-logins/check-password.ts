/** Passwords are an identity provider's: OAuth 2, "Resource Owner Password Credentials" (RFC 6749, 4.3). None is stored or logged here. */
import { LongshoreError } from '#shared/errors.ts';

export interface PasswordProvider {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: (() => Promise<string>) | undefined;
  readonly scope: string | undefined;
  readonly timeoutMs: number;
}

/** Whether the provider vouches for them. @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when it did not say. */
export async function checkPassword(
  { url, clientId, clientSecret, scope, timeoutMs }: PasswordProvider,
  username: string,
  password: string,
): Promise<boolean> {
  const secret = await clientSecret?.();
  const form = new URLSearchParams({
    grant_type: 'password',
    username,
    password,
    client_id: clientId,
    ...(secret !== undefined && { client_secret: secret }),
    ...(scope !== undefined && { scope }),
  });
  let status: number;
  let reply: unknown;
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: form,
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    status = response.status;
    reply = await response.json().catch(() => undefined);
  } catch (error) {
    throw unavailable('cannot be reached', error);
  }
  if (status === 200 && hasToken(reply)) return true;
  if ((status === 400 || status === 401) && errorOf(reply) === 'invalid_grant') return false;
  throw unavailable(`answered ${status}${errorOf(reply) === undefined ? '' : `, ${errorOf(reply)}`}`);
}

function unavailable(what: string, cause?: unknown): LongshoreError {
  return new LongshoreError('DEPENDENCY_UNAVAILABLE', `The identity provider of SFTP passwords ${what}.`, { cause });
}

function hasToken(reply: unknown): boolean {
  const { access_token: token } = (reply ?? {}) as { access_token?: unknown };
  return typeof token === 'string' && token !== '';
}

/** One of the codes of RFC 6749, and nothing else that a provider writes. */
function errorOf(reply: unknown): string | undefined {
  const { error } = (reply ?? {}) as { error?: unknown };
  return typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? error : undefined;
}
