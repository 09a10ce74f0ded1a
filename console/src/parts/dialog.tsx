/** A modal dialog of the browser: it keeps the focus, gives it back, and closes with Escape. */
import { type ReactNode, useId, useLayoutEffect, useRef } from 'react';
import styles from './dialog.module.css';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** What can be done, at the end. */
  readonly actions?: ReactNode;
  readonly isWide?: boolean;
  /** Escape does nothing: what it asks must be answered. */
  readonly isBinding?: boolean;
}

const DOUBLE_CLICK_MS = 1_000;

export function Dialog({ title, onClose, children, actions, isWide = false, isBinding = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const openedMs = useRef(0);
  // Closed while it is still in the document: one that was removed before gives the focus to nobody.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element !== null && !element.open) {
      element.showModal();
      openedMs.current = performance.now();
      // What is asked for is typed at once; else the first thing that takes the focus is ✕.
      const fields = [...element.querySelectorAll<HTMLElement>('[data-first], input, select, textarea')];
      (fields.find((field) => field.matches('[data-first]')) ?? fields[0])?.focus();
    }
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={`${styles.dialog} ${isWide ? styles.wide : ''}`}
      aria-labelledby={titleId}
      // The second click of two, of which the first opened the dialog, is not for what happens to be below the pointer now.
      onClickCapture={(event) => {
        if (event.detail <= 1 || performance.now() - openedMs.current > DOUBLE_CLICK_MS) return;
        event.preventDefault();
        event.stopPropagation();
      }}
      onCancel={(event) => {
        event.preventDefault();
        if (!isBinding) onClose();
      }}
    >
      <div className={styles.head}>
        <h2 id={titleId}>{title}</h2>
        {!isBinding && (
          <button type="button" className="plain icon" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        )}
      </div>
      <div className={styles.body}>{children}</div>
      {actions !== undefined && <div className={styles.actions}>{actions}</div>}
    </dialog>
  );
}
