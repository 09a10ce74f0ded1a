/** Short words about what was done, read out politely; problems stay until somebody closes them. */
import { useSyncExternalStore } from 'react';
import { type Problem, problemOf } from '../api/problem.ts';
import styles from './toast.module.css';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly problem?: Problem;
}

const SHOWN_MS = 6_000;
const MOST = 5;

let toasts: readonly Toast[] = [];
let lastId = 0;
const watchers = new Set<() => void>();

function change(next: readonly Toast[]): void {
  toasts = next.slice(-MOST);
  for (const watcher of watchers) watcher();
}

function close(id: number): void {
  change(toasts.filter((toast) => toast.id !== id));
}

export function say(text: string): void {
  const id = ++lastId;
  change([...toasts, { id, text }]);
  setTimeout(() => close(id), SHOWN_MS);
}

export function sayProblem(error: unknown): void {
  const problem = problemOf(error);
  const last = toasts.at(-1)?.problem;
  if (last?.code === problem.code && last.message === problem.message) return;
  change([...toasts, { id: ++lastId, text: problem.message, problem }]);
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function Toasts() {
  const shown = useSyncExternalStore(watch, () => toasts);
  return (
    <section className={styles.toasts} aria-label="Notifications" aria-live="polite">
      {shown.map(({ id, text, problem }) => (
        <div key={id} className={`${styles.toast} ${problem ? styles.problem : ''}`}>
          <div>
            {problem && <span aria-hidden="true">✕ </span>}
            {text}
            {problem && <p className="muted">{problem.hint}</p>}
          </div>
          <button type="button" className="plain icon" aria-label="Close this notification" onClick={() => close(id)}>
            ✕
          </button>
        </div>
      ))}
    </section>
  );
}
