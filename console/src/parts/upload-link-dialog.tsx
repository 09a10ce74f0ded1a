/** Makes a link by which somebody without a key sends one file to a tenant's routes, and shows it this once. */
import { useState } from 'react';
import { post } from '../api/client.ts';
import { useMe, useRefusal } from '../api/me.ts';
import { Copy } from './copy-command.tsx';
import { Dialog } from './dialog.tsx';
import { FormDialog } from './form-dialog.tsx';
import { Time } from './time.tsx';

interface UploadLink {
  readonly url: string;
  readonly expires_at: string;
}

const HOURS = 24;
const MOST_HOURS = 168;

export function UploadLinkButton() {
  const [isOpen, setIsOpen] = useState(false);
  const refusal = useRefusal('uploads:invite');
  return (
    <>
      <button
        type="button"
        aria-disabled={refusal !== undefined}
        title={refusal ?? 'For somebody without a key, to send one file'}
        onClick={() => refusal === undefined && setIsOpen(true)}
      >
        Upload link…
      </button>
      {isOpen && <UploadLinkDialog onClose={() => setIsOpen(false)} />}
    </>
  );
}

function UploadLinkDialog({ onClose }: { readonly onClose: () => void }) {
  const { data: me } = useMe();
  const [tenant, setTenant] = useState('');
  const [path, setPath] = useState('');
  const [hours, setHours] = useState(HOURS);
  const [reason, setReason] = useState('');
  const [link, setLink] = useState<UploadLink>();
  const isOperator = me?.tenant === null;

  if (link !== undefined)
    return (
      <Dialog
        title="Upload link"
        onClose={onClose}
        actions={
          <>
            <Copy text={link.url} label="Copy the link" className="primary" />
            <button type="button" onClick={onClose}>
              Close
            </button>
          </>
        }
      >
        <p>
          <code style={{ overflowWrap: 'anywhere' }}>{link.url}</code>
        </p>
        <p>
          It takes one file, until <Time at={link.expires_at} isExact />. It is shown this once.
        </p>
      </Dialog>
    );

  const given = { ...(isOperator && { tenant: tenant.trim() }), path: path.trim(), reason: reason.trim() };
  return (
    <FormDialog
      title="Upload link"
      verb="Make the link"
      words={[
        'upload-link',
        ...(isOperator ? ['--tenant', given.tenant || 'TENANT'] : []),
        ...(given.path === '' ? [] : ['--to', given.path]),
        ...(hours === HOURS ? [] : ['--hours', String(hours)]),
        ...['--reason', given.reason || 'REASON'],
      ]}
      isReady={given.reason !== '' && given.tenant !== '' && hours >= 1 && hours <= MOST_HOURS}
      onClose={onClose}
      act={async () => setLink(await post<UploadLink>('/api/v1/upload-links', { ...given, hours }))}
    >
      <p>Somebody without a key sends one file by it. What arrives goes through the tenant’s routes.</p>
      {isOperator && (
        <label>
          Tenant <input value={tenant} maxLength={63} required onChange={(event) => setTenant(event.target.value)} />
        </label>
      )}
      <label>
        Directory in the tenant’s home{' '}
        <input
          value={path}
          maxLength={800}
          placeholder="inbound/orders"
          onChange={(event) => setPath(event.target.value)}
        />
      </label>
      <label>
        Hours for which it is valid{' '}
        <input
          type="number"
          min={1}
          max={MOST_HOURS}
          value={hours}
          onChange={(event) => setHours(event.target.valueAsNumber)}
        />
      </label>
      <label>
        Reason, kept in the audit{' '}
        <input value={reason} maxLength={500} required onChange={(event) => setReason(event.target.value)} />
      </label>
    </FormDialog>
  );
}
