/** The steps of a route, in their order, as one line. */
import { JsonView } from '../../parts/json-view.tsx';
import styles from './routes.module.css';

type Step = Readonly<Record<string, unknown>>;

export function StepFlow({ definition }: { readonly definition: unknown }) {
  const { steps = [], match } = (definition ?? {}) as { steps?: readonly Step[]; match?: unknown };
  return (
    <ol className={styles.flow} aria-label="Steps">
      <li>
        <details>
          <summary>arrives</summary>
          <JsonView value={match} />
        </details>
      </li>
      {steps.map((step, index) => {
        const [kind = '', options] = Object.entries(step)[0] ?? [];
        return (
          <li key={index}>
            <details>
              <summary>
                {kind} <span className="muted">{summaryOf(kind, options)}</span>
              </summary>
              <JsonView value={options} />
            </details>
          </li>
        );
      })}
    </ol>
  );
}

function summaryOf(kind: string, options: unknown): string {
  const given = (options ?? {}) as Readonly<Record<string, unknown>>;
  const named = { call: [given.partner, given.operation], deliver: [given.store ?? given.bucket] }[kind] ?? [];
  return named.filter((part) => typeof part === 'string').join(' ');
}
