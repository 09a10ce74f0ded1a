/** A field with suggestions, after the ARIA pattern "combobox with a listbox": what is typed need not be one of them. */
import { useId, useRef, useState } from 'react';
import styles from './combobox.module.css';

interface ComboboxProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly onChange: (value: string) => void;
  /** Enter, or a suggestion that was chosen. */
  readonly onCommit?: (value: string) => void;
  readonly placeholder?: string;
  readonly isLabelHidden?: boolean;
  /** The options are those that fit already. */
  readonly isFiltered?: boolean;
  /** Escape is for the dialog around it, and not for the suggestions alone. */
  readonly leavesEscape?: boolean;
}

const MOST_SHOWN = 12;

export function Combobox(props: ComboboxProps) {
  const {
    label,
    value,
    options,
    onChange,
    onCommit,
    placeholder,
    isLabelHidden,
    isFiltered = false,
    leavesEscape = false,
  } = props;
  const id = useId();
  const [active, setActive] = useState(-1);
  const [isOpen, setIsOpen] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const needle = value.toLowerCase();
  const shown = options.filter((option) => isFiltered || option.toLowerCase().includes(needle)).slice(0, MOST_SHOWN);
  const isShown = isOpen && shown.length > 0;

  function choose(option: string): void {
    onChange(option);
    onCommit?.(option);
    setIsOpen(false);
    setActive(-1);
  }

  return (
    <div className={styles.combobox}>
      <label htmlFor={id} className={isLabelHidden ? 'unseen' : styles.label}>
        {label}
      </label>
      <input
        ref={input}
        id={id}
        role="combobox"
        aria-expanded={isShown}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={isShown && active >= 0 ? `${id}-${active}` : undefined}
        autoComplete="off"
        spellCheck={false}
        value={value}
        placeholder={placeholder}
        onChange={(event) => {
          onChange(event.target.value);
          setIsOpen(true);
          setActive(-1);
        }}
        onFocus={() => setIsOpen(true)}
        onBlur={() => setIsOpen(false)}
        onKeyDown={(event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (step !== undefined) {
            event.preventDefault();
            setIsOpen(true);
            setActive((active + step + shown.length) % Math.max(1, shown.length));
          } else if (event.key === 'Enter') {
            event.preventDefault();
            choose((isShown ? shown[active] : undefined) ?? value);
          } else if (event.key === 'Escape' && isShown && !leavesEscape) {
            event.stopPropagation();
            event.preventDefault();
            setIsOpen(false);
          }
        }}
      />
      <div id={`${id}-list`} role="listbox" aria-label={label} hidden={!isShown} className={styles.list}>
        {shown.map((option, index) => (
          <div
            key={option}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === active}
            className={index === active ? styles.active : undefined}
            onPointerDown={(event) => {
              event.preventDefault();
              choose(option);
            }}
          >
            {option}
          </div>
        ))}
      </div>
    </div>
  );
}
