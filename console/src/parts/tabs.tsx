/** Tabs, after the ARIA pattern: one of them is in the order of Tab, arrows go to the others. Only the shown panel is made. */
import { type ReactNode, useId } from 'react';
import styles from './tabs.module.css';

export interface Tab {
  readonly id: string;
  readonly label: ReactNode;
  readonly panel: () => ReactNode;
}

interface TabsProps {
  readonly label: string;
  readonly tabs: readonly Tab[];
  readonly current: string | undefined;
  readonly onChange: (id: string) => void;
}

export function Tabs({ label, tabs, current, onChange }: TabsProps) {
  const base = useId();
  const at = Math.max(
    0,
    tabs.findIndex(({ id }) => id === current),
  );
  const shown = tabs[at];
  return (
    <div className={styles.tabs}>
      <div role="tablist" aria-label={label} className={styles.list}>
        {tabs.map((tab, index) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${base}-${tab.id}`}
            aria-selected={index === at}
            aria-controls={`${base}-panel`}
            tabIndex={index === at ? 0 : -1}
            onClick={() => onChange(tab.id)}
            onKeyDown={(event) => {
              const to = { ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[
                event.key
              ];
              const next = to === undefined ? undefined : tabs[to % tabs.length];
              if (next === undefined) return;
              event.preventDefault();
              onChange(next.id);
              document.getElementById(`${base}-${next.id}`)?.focus();
            }}
          >
            {tab.label}
          </button>
        ))}
      </div>
      {shown !== undefined && (
        <div role="tabpanel" id={`${base}-panel`} aria-labelledby={`${base}-${shown.id}`} className={styles.panel}>
          {shown.panel()}
        </div>
      )}
    </div>
  );
}
