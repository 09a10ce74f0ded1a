/** The filters of a list as chips: all of them are in the address, so that a link, Back and a reload bring the same list. */
import { useRef, useState } from 'react';
import { Combobox } from '../combobox.tsx';
import { Menu } from '../menu.tsx';
import { visibleText } from '../plain-text.tsx';
import styles from './filter-bar.module.css';

export interface FilterField {
  /** As in the address and in the API's query. */
  readonly name: string;
  readonly label: string;
  /** What is suggested; anything may be typed. */
  readonly options?: readonly string[] | undefined;
  readonly placeholder?: string;
}

interface FilterBarProps {
  readonly fields: readonly FilterField[];
  readonly values: Readonly<Record<string, string | undefined>>;
  /** An undefined value removes a filter. */
  readonly onChange: (changes: Readonly<Record<string, string | undefined>>) => void;
}

export function FilterBar({ fields, values, onChange }: FilterBarProps) {
  const [edited, setEdited] = useState<string>();
  const [text, setText] = useState('');
  const bar = useRef<HTMLFieldSetElement>(null);
  const set = fields.filter(({ name }) => values[name]);
  const field = fields.find(({ name }) => name === edited);

  function edit(name: string): void {
    setText(values[name] ?? '');
    setEdited(name);
    requestAnimationFrame(() => bar.current?.querySelector('input')?.focus());
  }

  function commit(value: string): void {
    if (field !== undefined) onChange({ [field.name]: value.trim() || undefined });
    setEdited(undefined);
  }

  return (
    <fieldset className={styles.bar} ref={bar}>
      <legend className="unseen">Filters</legend>
      {set.map(({ name, label }) => (
        <span key={name} className={styles.chip}>
          <button type="button" title="Change this filter" onClick={() => edit(name)}>
            {label}: <strong>{visibleText(values[name] ?? '')}</strong>
          </button>
          <button
            type="button"
            aria-label={`Remove the filter ${label}`}
            onClick={() => onChange({ [name]: undefined })}
          >
            ✕
          </button>
        </span>
      ))}
      {field !== undefined && (
        <form
          className={styles.form}
          onSubmit={(event) => {
            event.preventDefault();
            commit(text);
          }}
          onKeyDown={(event) => {
            if (event.key === 'Escape') setEdited(undefined);
          }}
        >
          <Combobox
            label={field.label}
            isLabelHidden
            value={text}
            options={field.options ?? []}
            placeholder={field.placeholder ?? field.label}
            onChange={setText}
            onCommit={commit}
          />
          <button type="submit">Set</button>
          <button type="button" className="plain" onClick={() => setEdited(undefined)}>
            Cancel
          </button>
        </form>
      )}
      <Menu
        label="+ filter"
        items={fields
          .filter(({ name }) => !values[name])
          .map(({ name, label }) => ({ label, onSelect: () => edit(name) }))}
      />
      {set.length > 1 && (
        <button
          type="button"
          className="plain"
          onClick={() => onChange(Object.fromEntries(fields.map(({ name }) => [name, undefined])))}
        >
          Clear
        </button>
      )}
    </fieldset>
  );
}
