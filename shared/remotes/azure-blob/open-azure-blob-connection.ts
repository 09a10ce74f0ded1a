/**
 * A connection to Azure Blob Storage, over HTTPS. The first segment of a path is the container. As of Microsoft's own clients, a host that is an
 * address (Azurite) has the account in its paths.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { AzureBlobRemote } from '#shared/definitions/remote-schema.ts';
import { HttpsRequests } from '../https/https-requests.ts';
import { type OpenHttpsOptions, openHttpsClient } from '../https/open-https-client.ts';
import type { RemoteConnection } from '../remote-connection.ts';
import type { RemoteFault } from '../remote-error.ts';
import { blobHeaders, signBlobRequest } from './authorize-blob-request.ts';
import { AzureBlobConnection } from './azure-blob-connection.ts';

export async function openAzureBlobConnection(
  remote: AzureBlobRemote,
  secrets: { readonly [name in 'accountKey' | 'sas' | 'authority']?: string | undefined },
  options: OpenHttpsOptions,
): Promise<RemoteConnection> {
  const { accountKey, sas } = secrets;
  const key = accountKey === undefined ? undefined : Buffer.from(accountKey.trim(), 'base64');
  return await openHttpsClient(remote, secrets.authority, options, async (client) => {
    const connection = new AzureBlobConnection({
      requests: new HttpsRequests({
        ...client,
        authorize(request) {
          const headers = { ...request.headers, ...blobHeaders(Date.now()) };
          if (key === undefined) return headers;
          return { ...headers, authorization: signBlobRequest({ ...request, headers }, { account: remote.user, key }) };
        },
        faultOf,
      }),
      prefix: isIP(remote.host) === 0 ? '' : `/${remote.user}`,
      sas: sas?.trim().replace(/^\?/, ''),
      stallMs: remote.timeouts.stall,
    });
    await connection.logIn(remote.paths[0] ?? '/');
    return connection;
  });
}

const AUTH_CODES = new Set([
  'AuthenticationFailed',
  'InvalidAuthenticationInfo',
  'NoAuthenticationInformation',
  'AuthorizationFailure',
]);

function faultOf(status: number, headers: IncomingHttpHeaders): RemoteFault | undefined {
  const code = String(headers['x-ms-error-code'] ?? '');
  if (status === 401 || AUTH_CODES.has(code)) return 'auth-failed';
  if (status === 403) return 'denied';
  if (status === 404) return 'path-gone';
  // Of a lease that somebody else has, or of what may not be altered.
  if (/^Lease|Immutable|LegalHold/.test(code)) return 'denied';
  if ((status === 409 && code === 'BlobAlreadyExists') || (status === 412 && !code.startsWith('Source')))
    return 'exists';
  if (status === 429 || status === 503) return 'busy';
  return undefined;
}
