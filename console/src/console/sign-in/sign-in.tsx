/** For whoever has no session, or no longer. The address stays, so that one is where one wanted to be afterwards. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import { readWays, toProvider } from '../../api/sign-in.ts';
import { Failed } from '../../parts/conditions.tsx';
import styles from './sign-in.module.css';

/** In the fragment, which no server and no log sees. */
const SIGN_IN_LINK = /^#link=([\w-]{16,})$/;

export function isLink(fragment: string): boolean {
  return SIGN_IN_LINK.test(fragment);
}

interface SignInProps {
  readonly onDone: () => void;
  readonly isAgain?: boolean;
}

export function SignIn({ onDone, isAgain = false }: SignInProps) {
  const [error, setError] = useState<unknown>();
  const ways = useQuery({ queryKey: ['ways'], queryFn: readWays });
  useEffect(() => {
    const token = SIGN_IN_LINK.exec(location.hash)?.[1];
    if (token === undefined) return;
    history.replaceState(null, '', location.pathname + location.search);
    void post('/auth/link', { token }).then(onDone, setError);
  }, [onDone]);
  return (
    <div className={isAgain ? undefined : styles.page}>
      <div className="stack">
        {!isAgain && <h1>Sign in to Longshore</h1>}
        {error !== undefined && <Failed error={error} />}
        {ways.data?.link && (
          <p>
            On the machine that runs Longshore, print a link that signs you in once: <code>npx longshore console</code>
          </p>
        )}
        {ways.data?.oidc && (
          <p>
            <button type="button" className="primary" onClick={() => void toProvider().catch(setError)}>
              Sign in with your organisation
            </button>
          </p>
        )}
        {ways.data?.link === false && !ways.data.oidc && (
          <p>No way to sign in is set up: your administrator sets LONGSHORE_OIDC_ISSUER.</p>
        )}
        {ways.error !== null && <Failed error={ways.error} onRetry={() => void ways.refetch()} />}
        {isAgain && (
          <p>
            <button type="button" onClick={onDone}>
              I have signed in in another tab
            </button>
          </p>
        )}
      </div>
    </div>
  );
}
