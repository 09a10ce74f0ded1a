/** A dialog with fields and one action; a refusal stays in it. */
import { type ReactNode, useId, useState } from 'react';
import { Failed } from './conditions.tsx';
import { CopyCommand } from './copy-command.tsx';
import { Dialog } from './dialog.tsx';

interface FormDialogProps {
  readonly title: string;
  readonly verb: string;
  /** Of the command that does the same. */
  readonly words: readonly string[];
  readonly isReady: boolean;
  readonly act: () => Promise<void>;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function FormDialog({ title, verb, words, isReady, act, onClose, children }: FormDialogProps) {
  const form = useId();
  const [error, setError] = useState<unknown>();
  const [isActing, setIsActing] = useState(false);

  async function run(): Promise<void> {
    setIsActing(true);
    setError(undefined);
    await act().catch(setError);
    setIsActing(false);
  }

  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <CopyCommand words={words} />
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form={form} className="primary" disabled={!isReady || isActing}>
            {verb}
          </button>
        </>
      }
    >
      <form
        id={form}
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        {children}
      </form>
      {error !== undefined && <Failed error={error} />}
    </Dialog>
  );
}

interface RoleFieldProps {
  readonly role: string;
  readonly roles: readonly string[];
  readonly onChange: (role: string) => void;
}

export function RoleField({ role, roles, onChange }: RoleFieldProps) {
  return (
    <label>
      Role{' '}
      <select value={role} onChange={(event) => onChange(event.target.value)}>
        {roles.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

export const OF_TENANTS: readonly string[] = ['tenant-viewer', 'sender', 'tenant-admin'];
export const OF_OPERATORS: readonly string[] = ['viewer', 'operator', 'admin', 'auditor'];
