/** Invites a person of a tenant, who then signs in by mail. */
import { useState } from 'react';
import type { Invited } from '#services/control-api/access/handle-people.ts';
import { post } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { FormDialog, OF_TENANTS, RoleField } from '../form-dialog.tsx';

interface InviteDialogProps {
  readonly onClose: () => void;
  readonly onDone: (text: string) => void;
}

export function InviteDialog({ onClose, onDone }: InviteDialogProps) {
  const own = useMe().data?.tenant ?? null;
  const [chosen, setTenant] = useState('');
  const tenant = own ?? chosen;
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [role, setRole] = useState('tenant-viewer');
  return (
    <FormDialog
      title="Invite a person"
      verb="Invite"
      words={['people', 'invite', email || 'ADDRESS', '--tenant', tenant || 'TENANT', '--role', role]}
      isReady={tenant.trim() !== '' && email.includes('@')}
      onClose={onClose}
      act={async () => {
        const { sign_in_url: place } = await post<Invited>('/api/v1/people', {
          tenant: tenant.trim(),
          email: email.trim(),
          name: name.trim() || email.trim(),
          role,
        });
        const next = place === null ? '' : ` Tell the person to ask for a link at ${place}: no mail is sent now.`;
        onDone(`${email.trim()} may sign in to the portal.${next}`);
        onClose();
      }}
    >
      {own === null && (
        <label>
          Tenant <input value={tenant} maxLength={128} required onChange={(event) => setTenant(event.target.value)} />
        </label>
      )}
      <label>
        E-mail address{' '}
        <input type="email" value={email} maxLength={254} required onChange={(event) => setEmail(event.target.value)} />
      </label>
      <label>
        Name <input value={name} maxLength={100} onChange={(event) => setName(event.target.value)} />
      </label>
      <RoleField role={role} roles={OF_TENANTS} onChange={setRole} />
    </FormDialog>
  );
}
