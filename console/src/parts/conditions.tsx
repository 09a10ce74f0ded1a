/** The four states of anything that is fetched: loading, failed, empty, there. */
import type { ReactNode } from 'react';
import { useConnection } from '../api/connection.ts';
import { problemOf } from '../api/problem.ts';
import { signInAgain } from '../api/sign-in.ts';
import styles from './conditions.module.css';
import { sayProblem } from './toast.tsx';

export function Loading({ what = 'Loading' }: { readonly what?: string }) {
  return (
    <p className={styles.loading} role="status">
      {what}…
    </p>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <p>
        <strong>{title}</strong>
      </p>
      {children}
    </div>
  );
}

interface FailedProps {
  readonly error: unknown;
  readonly onRetry?: (() => void) | undefined;
}

/** A problem with what to do about it, and the id that finds it in the log. */
export function Failed({ error, onRetry }: FailedProps) {
  const { code, message, hint, requestId } = problemOf(error);
  return (
    <div className={styles.failed} role="alert">
      <p>
        <strong>
          <span aria-hidden="true">✕ </span>
          {message}
        </strong>{' '}
        <code>{code}</code>
      </p>
      <p>{hint}</p>
      {requestId !== undefined && (
        <p className="muted">
          Request <code>{requestId}</code>
        </p>
      )}
      {code === 'SIGN_IN_AGAIN' && (
        <button type="button" onClick={() => void signInAgain().catch(sayProblem)}>
          Sign in again
        </button>
      )}
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

interface FetchedProps<Data> {
  readonly query: {
    readonly data: Data | undefined;
    readonly error: unknown;
    readonly refetch: () => unknown;
  };
  readonly children: (data: Data) => ReactNode;
  readonly loading?: ReactNode;
  /** Of the page, while there is nothing that has one. */
  readonly heading?: string;
}

/** What was fetched before stays while it is fetched again, or cannot be. */
export function Fetched<Data>({ query, children, loading = <Loading />, heading }: FetchedProps<Data>) {
  const { data, error, refetch } = query;
  const { awaySince, isSignedOut } = useConnection();
  if (data === undefined)
    return (
      <>
        {heading !== undefined && <h1>{heading}</h1>}
        {error ? <Failed error={error} onRetry={() => void refetch()} /> : loading}
      </>
    );
  // The shell says that the API is down, or that the session has ended.
  const isOwn = error !== null && awaySince === undefined && !isSignedOut;
  return (
    <>
      {isOwn ? <Failed error={error} onRetry={() => void refetch()} /> : null}
      {children(data)}
    </>
  );
}
