/** One remote: its health, its keys, what it is for, and a test that connects to it once. */
import prettyBytes from 'pretty-bytes';
import { useState } from 'react';
import type { Remote, RemoteTest } from '#services/control-api/pulls/handle-remotes.ts';
import type { RemoteDocument } from '#shared/definitions/remote-schema.ts';
import { post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { useErrorCodes } from '../../api/problems.ts';
import { Failed, Loading } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { CertificateEnd } from './certificate-end.tsx';

interface RemoteDialogProps {
  readonly remote: Remote;
  readonly document: RemoteDocument;
  readonly address: string;
  readonly slots: string;
  readonly onClose: () => void;
}

type Trial =
  | { readonly is: 'running' }
  | { readonly is: 'done'; readonly test: RemoteTest }
  | { readonly is: 'failed'; readonly error: unknown };

export function RemoteDialog({ remote, document, address, slots, onClose }: RemoteDialogProps) {
  const { customer_id: tenant, name } = remote;
  const [trial, setTrial] = useState<Trial>();
  const refusal = useRefusal('pulls:change');
  const codes = useErrorCodes();
  const known = remote.error_code === null ? undefined : codes[remote.error_code];

  async function tryIt(): Promise<void> {
    setTrial({ is: 'running' });
    const path = `/api/v1/remotes/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}/test`;
    setTrial(
      await post<RemoteTest>(path).then(
        (test): Trial => ({ is: 'done', test }),
        (error: unknown): Trial => ({ is: 'failed', error }),
      ),
    );
  }

  return (
    <Dialog
      title={`${tenant}/${name}`}
      isWide
      onClose={onClose}
      actions={
        <>
          <CopyCommand words={['remotes', 'test', name, '--tenant', tenant]} />
          <button
            type="button"
            className="primary"
            disabled={refusal !== undefined || trial?.is === 'running'}
            title={refusal}
            onClick={() => void tryIt()}
          >
            Test the connection
          </button>
        </>
      }
    >
      <dl>
        <dt>State</dt>
        <dd>
          <StateBadge state={remote.state} />
          {remote.blocked_until !== null && (
            <>
              {' '}
              not tried before <Time at={remote.blocked_until} tenant={tenant} />
            </>
          )}
        </dd>
        {remote.error_code !== null && (
          <>
            <dt>Last fault</dt>
            <dd>
              <code>{remote.error_code}</code> <Time at={remote.error_at} tenant={tenant} />
              {known !== undefined && <p>{known.remedy}</p>}
            </dd>
          </>
        )}
        <dt>Address</dt>
        <dd>
          <PlainText>{address}</PlainText>
        </dd>
        <dt>Connections</dt>
        <dd>{slots} over the whole fleet</dd>
        <dt>{document.type === 'sftp' ? 'Host keys that are trusted' : 'Trusted by'}</dt>
        <dd>
          <Keys document={document} />
        </dd>
        <dt>Key seen last</dt>
        <dd>{remote.fingerprint === null ? 'none yet' : <code>{remote.fingerprint}</code>}</dd>
        <dt>Certificate ends</dt>
        <dd>
          {document.type === 'sftp' ? (
            'SSH host keys have no end'
          ) : (
            <CertificateEnd at={remote.certificate_ends_at} tenant={tenant} />
          )}
        </dd>
        <dt>Applied</dt>
        <dd>
          version {remote.version}, by <PlainText>{remote.applied_by}</PlainText>,{' '}
          <Time at={remote.applied_at} tenant={tenant} />
        </dd>
      </dl>
      {trial?.is === 'running' && <Loading what="Connecting; credentials are tried once" />}
      {trial?.is === 'failed' && <Failed error={trial.error} />}
      {trial?.is === 'done' && <Tested test={trial.test} />}
      <details>
        <summary>Definition</summary>
        <JsonView value={remote.definition} />
      </details>
    </Dialog>
  );
}

function Keys({ document }: { readonly document: RemoteDocument }) {
  const keys = document.type === 'sftp' ? document.hostKeys : (document.tls.pins ?? []);
  const authority = document.type === 'sftp' ? undefined : document.tls.authority;
  return (
    <>
      {document.type !== 'sftp' && (keys.length === 0 || authority !== undefined) && (
        <p>{authority === undefined ? 'the well-known authorities' : `the authority in the secret ${authority}`}</p>
      )}
      {keys.map((key) => (
        <p key={key}>
          <code>{key}</code>
        </p>
      ))}
    </>
  );
}

function Tested({ test: { ok, identity, places, error } }: { readonly test: RemoteTest }) {
  return (
    <section aria-label="Test" className="stack" aria-live="polite">
      <p>
        <StateBadge state={ok ? 'ok' : 'failing'} />{' '}
        {error !== null && (
          <>
            <code>{error.code}</code> <PlainText>{error.message}</PlainText>
          </>
        )}
      </p>
      {identity !== null && (
        <p>
          <code>{identity.fingerprint}</code>{' '}
          {identity.trusted ? 'is what the definition trusts' : '▲ is not what the definition trusts'}
        </p>
      )}
      {places.map(({ path, entries, has_more: hasMore }) => (
        <div key={path}>
          <h3>
            <PlainText>{path}</PlainText>
          </h3>
          {entries.length === 0 ? (
            <p>Nothing is in it.</p>
          ) : (
            <ul>
              {entries.map((entry) => (
                <li key={entry.name}>
                  <PlainText>{entry.name}</PlainText> {entry.size_bytes === null ? '' : prettyBytes(entry.size_bytes)}
                </li>
              ))}
              {hasMore && <li>and more</li>}
            </ul>
          )}
        </div>
      ))}
    </section>
  );
}
