/** Connections to one partner's server, without the fleet's counting of them. */
import { createHash } from 'node:crypto';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { openRemote, readRemoteSecrets } from '#shared/remotes/open-remote.ts';
import type { RemoteConnection } from '#shared/remotes/remote-connection.ts';
import type { StepTargets } from '#shared/targets/step-targets.ts';
import type { PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';
import { NO_TARGETS } from './step-bed.ts';

/** What is used one time after the other is connected to once: some servers make a login wait. Its owner closes it. */
export interface KeptConnection {
  connection?: RemoteConnection;
}

/** `wrap` sees every connection before it is used. */
export function targetsOf(
  { remote, secrets }: Pick<PartnerFileServer, 'remote' | 'secrets'>,
  wrap: (connection: RemoteConnection) => RemoteConnection = (connection) => connection,
  kept?: KeptConnection,
): StepTargets {
  const store = {
    read: async (name: string) => {
      const text = secrets[name] ?? '';
      return { text, version: createHash('sha256').update(text).digest('hex') };
    },
  };
  const guard = createAddressGuard({ allow: ['127.0.0.0/8'] });
  return {
    ...NO_TARGETS,
    async useRemote(_name, work) {
      const open = kept?.connection?.isUsable === true ? kept.connection : undefined;
      const connection = open ?? (await openRemote(remote, await readRemoteSecrets(remote, store), { guard }));
      if (kept !== undefined) kept.connection = connection;
      try {
        return { type: 'used', result: await work(wrap(connection), { definition: remote }) };
      } finally {
        if (kept === undefined) await connection.close();
      }
    },
  };
}
