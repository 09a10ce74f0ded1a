/** A change that asks for a reason, which the audit keeps. A refusal stays in the dialog, with what others changed meanwhile. */
import { type ReactNode, useId, useState } from 'react';
import { problemOf } from '../api/problem.ts';
import { Failed } from './conditions.tsx';
import { CopyCommand } from './copy-command.tsx';
import { Dialog } from './dialog.tsx';
import { DiffText } from './diff/diff-text.tsx';

interface ReasonDialogProps {
  readonly title: string;
  readonly verb: string;
  /** Of the command that does the same. */
  readonly words: readonly string[];
  readonly act: (reason: string) => Promise<void>;
  readonly onClose: () => void;
  readonly isWide?: boolean;
  readonly children?: ReactNode;
}

export function ReasonDialog({ title, verb, words, act, onClose, isWide = false, children }: ReasonDialogProps) {
  const [reason, setReason] = useState('');
  const form = useId();
  const [error, setError] = useState<unknown>();
  const [isActing, setIsActing] = useState(false);
  const { diff } = error === undefined ? {} : problemOf(error).details;

  async function run(): Promise<void> {
    setIsActing(true);
    setError(undefined);
    try {
      await act(reason.trim());
      onClose();
    } catch (caught) {
      setError(caught);
    } finally {
      setIsActing(false);
    }
  }

  return (
    <Dialog
      title={title}
      onClose={onClose}
      isWide={isWide}
      actions={
        <>
          <CopyCommand words={[...words, '--reason', reason.trim() || 'REASON']} />
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" form={form} className="primary" disabled={reason.trim() === '' || isActing}>
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
        <label>
          Reason <input value={reason} maxLength={500} required onChange={(event) => setReason(event.target.value)} />
        </label>
      </form>
      {error !== undefined && <Failed error={error} />}
      {typeof diff === 'string' && diff !== '' && (
        <>
          <h3>What was changed meanwhile</h3>
          <DiffText diff={diff} />
        </>
      )}
    </Dialog>
  );
}
