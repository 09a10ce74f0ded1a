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
          <summary>{match === undefined ? 'is run by other routes' : 'arrives'}</summary>
          <JsonView value={match} />
        </details>
      </li>
      {steps.map((step, index) => {
        const [kind = '', options] = Object.entries(step).find(([key]) => key !== 'when') ?? [];
        return (
          <li key={index}>
            <details>
              <summary>
                {kind} <span className="muted">{summaryOf(kind, options)}</span>
                {typeof step.when === 'string' && <span className="muted">when {step.when}</span>}
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
  if (kind === 'parallel') return Object.keys(given.branches ?? {}).join(', ');
  const named =
    { run: [given.route], call: [given.partner, given.operation], deliver: [given.store ?? given.bucket] }[kind] ?? [];
  return named.filter((part) => typeof part === 'string').join(' ');
}
