/**
 * A connection to an HTTP API that lists files and gives them. Its token is asked for, and refused, before any file is; one that ends while the
 * connection is used is asked for again.
 */
import type { HttpRemote } from '#shared/definitions/remote-schema.ts';
import { createGotClient } from '#shared/http/create-got-client.ts';
import type { HttpClient } from '#shared/http/http-client.ts';
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
/** What a definition's `faults` name. */
const NAMED_FAULTS = { gone: 'path-gone', busy: 'busy' } as const satisfies Record<string, RemoteFault>;
const MOST_TOKEN_BYTES = 65_536;

export async function openHttpConnection(
  remote: HttpRemote,
  secrets: HttpSecrets,
  options: OpenHttpsOptions,
): Promise<RemoteConnection> {
  const identity = identityOf(remote, secrets, options);
  const headers = await identity.authorize();
  if (Object.values(headers).some((value) => !HEADER_VALUE.test(value)))
    throw new RemoteError('auth-failed', 'the secret has characters that no header may have');
  const { faults } = remote;
  return await openHttpsClient(remote, secrets.authority, options, async (client) => {
    const requests = new HttpsRequests({
      ...client,
      ...identity,
      readsFaults: (code) => faults.some(({ status }) => status === code),
      faultOf: (code, _headers, said) => {
        const named = faults.find(({ status, text }) => status === code && said.includes(text));
        return named === undefined ? FAULTS[code] : NAMED_FAULTS[named.means];
      },
    });
    const connection = new HttpConnection(remote, requests);
    await connection.logIn();
    identity.hasLoggedIn();
    return connection;
  });
}

interface Identity {
  readonly authorize: () => Promise<Readonly<Record<string, string>>>;
  readonly renew?: () => Promise<boolean>;
  /** A token that was refused before is not one that ended. */
  readonly hasLoggedIn: () => void;
}

function identityOf(
  { auth, timeouts }: HttpRemote,
  { secret = '', clientSecret = '', refreshToken = '', authority }: HttpSecrets,
  { guard }: OpenHttpsOptions,
): Identity {
  const constant = (headers: Readonly<Record<string, string>>): Identity => ({
    authorize: async () => headers,
    hasLoggedIn() {},
  });
  if (auth.type === 'static') return constant({ [auth.header]: `${auth.prefix}${secret}` });
  if (auth.type !== 'oauth2-client-credentials') return constant({});
  const client: HttpClient = {
    async send(request) {
      const once = createGotClient({
        ...{ timeoutMs: timeouts.connect, maxBodyBytes: MOST_TOKEN_BYTES, addressGuard: guard },
        ...(authority !== undefined && { authority }),
      });
      return await once.send(request).finally(() => once.close());
    },
    close() {},
  };
  const text = (name: string): string => (name === auth.clientSecret ? clientSecret : refreshToken);
  const store = { read: async (name: string) => ({ text: text(name), version: '' }) };
  const tokens = createOAuthTokens({ settings: auth, secrets: store, client, now: Date.now });
  let isIn = false;
  let used: string | undefined;
  async function find(refused?: string): Promise<string> {
    const answer = await tokens.get(refused);
    if (answer.type === 'token') return answer.token;
    throw new RemoteError(answer.type === 'away' ? 'unreachable' : 'auth-failed', answer.message.replace(/\.$/, ''));
  }
  return {
    async authorize() {
      used = await find();
      return { authorization: `Bearer ${used}` };
    },
    async renew() {
      const refused = used;
      return isIn && (await find(refused)) !== refused;
    },
    hasLoggedIn() {
      isIn = true;
    },
  };
}
