/** A unified diff, by line: signs as well as colours say what is gone and what is new. */
import { visibleText } from '../plain-text.tsx';
import styles from './diff.module.css';

const KINDS: Readonly<Record<string, string | undefined>> = { '+': styles.added, '-': styles.gone, '@': styles.hunk };

export function DiffText({ diff }: { readonly diff: string }) {
  if (diff === '') return <p className="muted">The texts are the same.</p>;
  const lines = diff.trimEnd().split('\n');
  return (
    <section className={styles.diff} aria-label="Difference">
      {lines.map((line, index) => (
        <div key={index} className={/^(---|\+\+\+) /.test(line) ? styles.hunk : KINDS[line[0] ?? '']}>
          {visibleText(line) || ' '}
        </div>
      ))}
    </section>
  );
}
