/** A connection to an HTTP API that lists files and gives them. Its token is asked for, and refused, before any file is. */
import type { HttpRemote } from '#shared/definitions/remote-schema.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';
import { createOAuthTokens } from '#shared/partners/oauth-tokens.ts';
import { HEADER_VALUE } from '#shared/partners/render-request.ts';
import { HttpsRequests } from '../https/https-requests.ts';
import { type OpenHttpsOptions, openHttpsClient } from '../https/open-https-client.ts';
import type { RemoteConnection } from '../remote-connection.ts';
import { RemoteError, type RemoteFault } from '../remote-error.ts';
import { HttpConnection } from './http-connection.ts';

interface HttpSecrets {
  readonly authority?: string | undefined;
  readonly secret?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly refreshToken?: string | undefined;
}

const FAULTS: Readonly<Record<number, RemoteFault>> = {
  401: 'auth-failed',
  403: 'denied',
  404: 'path-gone',
  410: 'path-gone',
  429: 'busy',
  503: 'busy',
  507: 'no-space',
};
const MOST_TOKEN_BYTES = 65_536;

export async function openHttpConnection(
  remote: HttpRemote,
  secrets: HttpSecrets,
  options: OpenHttpsOptions,
): Promise<RemoteConnection> {
  const headers = await identityHeaders(remote, secrets, options);
  if (Object.values(headers).some((value) => !HEADER_VALUE.test(value)))
    throw new RemoteError('auth-failed', 'the secret has characters that no header may have');
  return await openHttpsClient(remote, secrets.authority, options, async (client) => {
    const requests = new HttpsRequests({ ...client, authorize: () => headers, faultOf: (status) => FAULTS[status] });
    const connection = new HttpConnection(remote, requests);
    await connection.logIn();
    return connection;
  });
}

async function identityHeaders(
  { auth, timeouts }: HttpRemote,
  { secret = '', clientSecret = '', refreshToken = '', authority }: HttpSecrets,
  { guard }: OpenHttpsOptions,
): Promise<Readonly<Record<string, string>>> {
  if (auth.type === 'static') return { [auth.header]: `${auth.prefix}${secret}` };
  if (auth.type !== 'oauth2-client-credentials') return {};
  const client = createGotClient({
    ...{ timeoutMs: timeouts.connect, maxBodyBytes: MOST_TOKEN_BYTES, addressGuard: guard },
    ...(authority !== undefined && { authority }),
  });
  try {
    const text = (name: string): string => (name === auth.clientSecret ? clientSecret : refreshToken);
    const store = { read: async (name: string) => ({ text: text(name), version: '' }) };
    const answer = await createOAuthTokens({ settings: auth, secrets: store, client, now: Date.now }).get();
    if (answer.type === 'token') return { authorization: `Bearer ${answer.token}` };
    throw new RemoteError(answer.type === 'away' ? 'unreachable' : 'auth-failed', answer.message.replace(/\.$/, ''));
  } finally {
    client.close();
  }
}
