/** Whether a remote can be used, for the person who set it up: what it shows of itself, and what is in its places. Trusts nothing and changes nothing. */
import { LongshoreError } from '#shared/errors.ts';
import type { RemoteConnection, RemoteIdentity } from './remote-connection.ts';
import type { RemoteDirectory } from './remote-directory.ts';
import { printable } from './remote-error.ts';
import type { RemoteName } from './remote-slots.ts';

export interface RemoteTest {
  readonly ok: boolean;
  /** Undefined when nothing answered. */
  readonly identity: RemoteIdentity | undefined;
  readonly places: readonly {
    readonly path: string;
    readonly entries: readonly { readonly name: string; readonly sizeBytes: number | undefined }[];
    /** There are more than are shown. */
    readonly hasMore: boolean;
  }[];
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

const MOST_SHOWN = 20;
const MOST_PLACES = 5;

/** Lists `paths` of the remote over a connection like any other: it takes a slot, and wrong credentials are tried once. */
export async function testRemote(
  remotes: Pick<RemoteDirectory, 'use'>,
  remote: RemoteName,
  signal: AbortSignal,
): Promise<RemoteTest> {
  let identity: RemoteIdentity | undefined;
  const places: RemoteTest['places'][number][] = [];
  const refused = (error: RemoteTest['error']): RemoteTest => ({ ok: false, identity, places, error });
  try {
    const used = await remotes.use(
      remote,
      async (connection, { definition }) => {
        const { fingerprint, certificateEndsAt } = connection;
        identity ??= { fingerprint, isTrusted: true, certificateEndsAt };
        for (const path of definition.paths.slice(0, MOST_PLACES)) {
          places.push(await listPlace(connection, path));
          if (!connection.isUsable) break;
        }
      },
      {
        ...{ signal, isFresh: true },
        onIdentity: (shown) => {
          identity = shown;
        },
      },
    );
    if (used.type === 'unknown') return refused({ code: 'REMOTE_UNKNOWN', message: used.message });
    if (used.type === 'used') return { ok: true, identity, places, error: undefined };
    const seconds = Math.ceil(used.afterMs / 1_000);
    if (used.reason !== 'breaker')
      return refused({ code: 'REMOTE_BUSY', message: 'All connections that limits.connections allows are in use.' });
    return refused({
      code: used.code ?? 'REMOTE_AUTH_FAILED',
      message: `The same credentials were refused before; they are not tried again for ${seconds} s.`,
    });
  } catch (error) {
    if (!(error instanceof LongshoreError)) throw error;
    const { code, message, hint } = error;
    return refused({ code, message: hint === undefined ? message : `${message}. ${hint}` });
  }
}

async function listPlace(connection: RemoteConnection, path: string): Promise<RemoteTest['places'][number]> {
  const entries: RemoteTest['places'][number]['entries'][number][] = [];
  for await (const { name, kind, sizeBytes } of connection.list(path)) {
    if (entries.length === MOST_SHOWN) return { path, entries, hasMore: true };
    entries.push({ name: kind === 'unread' ? `(cannot be read) ${printable(name)}` : name, sizeBytes });
  }
  return { path, entries, hasMore: false };
}
