/**
 * A connection to a WebDAV server, over HTTPS. The password is tried once, by asking for the first of the remote's paths, and as no redirect is
 * followed it never goes elsewhere.
 */
import type { WebdavRemote } from '#shared/definitions/remote-schema.ts';
import { HttpsRequests } from '../https/https-requests.ts';
import { type OpenHttpsOptions, openHttpsClient } from '../https/open-https-client.ts';
import type { RemoteConnection } from '../remote-connection.ts';
import { WEBDAV_FAULTS, WebdavConnection } from './webdav-connection.ts';

export async function openWebdavConnection(
  remote: WebdavRemote,
  secrets: { readonly password: string; readonly authority?: string | undefined },
  options: OpenHttpsOptions,
): Promise<RemoteConnection> {
  return await openHttpsClient(remote, secrets.authority, options, async (client) => {
    const authorization = `Basic ${Buffer.from(`${remote.user}:${secrets.password}`).toString('base64')}`;
    const requests = new HttpsRequests({
      ...client,
      authorize: () => ({ authorization }),
      faultOf: (status) => WEBDAV_FAULTS[status],
    });
    const connection = new WebdavConnection(requests);
    await connection.logIn(remote.paths[0] ?? '/');
    return connection;
  });
}
