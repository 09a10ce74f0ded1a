/** A value as JSON, folded by its parts. */

import styles from './json-view.module.css';
import { visibleText } from './plain-text.tsx';

interface JsonViewProps {
  readonly value: unknown;
  readonly name?: string;
  readonly isOpen?: boolean;
}

export function JsonView({ value, name, isOpen = true }: JsonViewProps) {
  const label = name === undefined ? null : <span className={styles.name}>{visibleText(name)}: </span>;
  if (typeof value !== 'object' || value === null)
    return (
      <div className={styles.leaf}>
        {label}
        <span className={typeof value === 'string' ? styles.text : styles.plain}>
          {visibleText(JSON.stringify(value) ?? 'undefined')}
        </span>
      </div>
    );
  const entries = Object.entries(value);
  const isList = Array.isArray(value);
  return (
    <details className={styles.node} open={isOpen}>
      <summary>
        {label}
        <span className="muted">{isList ? `[${entries.length}]` : `{${entries.length}}`}</span>
      </summary>
      {entries.map(([key, part]) => (
        <JsonView key={key} name={key} value={part} isOpen={entries.length < 20} />
      ))}
    </details>
  );
}
