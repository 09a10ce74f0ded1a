/** Another role for a person who signs in by mail. */
import { useState } from 'react';
import type { PeoplePage } from '#services/control-api/access/handle-people.ts';
import { post } from '../../api/client.ts';
import { FormDialog, OF_TENANTS, RoleField } from '../form-dialog.tsx';

interface RoleDialogProps {
  readonly person: PeoplePage['people'][number];
  readonly onClose: () => void;
  readonly onDone: (text: string) => void;
}

export function RoleDialog({ person, onClose, onDone }: RoleDialogProps) {
  const [role, setRole] = useState<string>(person.role);
  return (
    <FormDialog
      title={`Role of ${person.email ?? person.name}`}
      verb="Change"
      words={['people', 'role', person.person_id, role]}
      isReady={role !== person.role}
      onClose={onClose}
      act={async () => {
        await post(`/api/v1/people/${person.person_id}/role`, { role });
        onDone('The role is changed. Open sessions of the person have ended.');
        onClose();
      }}
    >
      <RoleField role={role} roles={OF_TENANTS} onChange={setRole} />
    </FormDialog>
  );
}
