/** A button that opens a menu, after the ARIA pattern "menu button": arrows move, Home and End jump, Escape closes. */
import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react';
import styles from './menu.module.css';

export interface MenuItem {
  readonly label: ReactNode;
  readonly onSelect: () => void;
  /** Why it cannot be chosen. */
  readonly refusal?: string | undefined;
  readonly isChecked?: boolean;
}

interface MenuProps {
  readonly label: ReactNode;
  /** For readers, where the label is a sign. */
  readonly name?: string;
  readonly items: readonly MenuItem[];
  readonly className?: string;
}

const ITEM = '[role^="menuitem"]';

export function Menu({ label, name, items, className }: MenuProps) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);

  function open(): void {
    const [anchor, popup] = [button.current?.getBoundingClientRect(), list.current];
    if (anchor === undefined || popup === null) return;
    popup.showPopover();
    const left = Math.max(8, Math.min(anchor.left, innerWidth - popup.offsetWidth - 8));
    const isBelow = anchor.bottom + popup.offsetHeight < innerHeight || anchor.top < popup.offsetHeight;
    popup.style.left = `${left}px`;
    popup.style.top = `${isBelow ? anchor.bottom + 2 : anchor.top - popup.offsetHeight - 2}px`;
    popup.querySelector<HTMLElement>(ITEM)?.focus();
  }

  function close(): void {
    list.current?.hidePopover();
    button.current?.focus();
  }

  function move(event: KeyboardEvent): void {
    const all = [...(list.current?.querySelectorAll<HTMLElement>(ITEM) ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all[to % all.length]?.focus();
    } else if (event.key === 'Tab') close();
    else if (/^\S$/.test(event.key)) {
      const starts = (item: HTMLElement) => item.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase());
      [...all.slice(at + 1), ...all].find(starts)?.focus();
    }
    event.stopPropagation();
  }

  return (
    <>
      <button
        type="button"
        ref={button}
        className={className}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={id}
        aria-label={name}
        onClick={() => (isOpen ? close() : open())}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown') return;
          event.preventDefault();
          open();
        }}
      >
        {label}
      </button>
      <div
        ref={list}
        id={id}
        role="menu"
        tabIndex={-1}
        aria-label={name ?? (typeof label === 'string' ? label : undefined)}
        popover="auto"
        className={styles.menu}
        onToggle={(event) => setIsOpen(event.newState === 'open')}
        onKeyDown={move}
      >
        {items.map((item, index) => (
          <button
            key={index}
            type="button"
            role={item.isChecked === undefined ? 'menuitem' : 'menuitemcheckbox'}
            aria-checked={item.isChecked}
            aria-disabled={item.refusal !== undefined}
            title={item.refusal}
            tabIndex={-1}
            onClick={() => {
              if (item.refusal !== undefined) return;
              close();
              item.onSelect();
            }}
          >
            {item.isChecked !== undefined && <span aria-hidden="true">{item.isChecked ? '☑' : '☐'} </span>}
            {item.label}
          </button>
        ))}
      </div>
    </>
  );
}
