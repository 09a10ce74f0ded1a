/** What is around every view of the portal: where one is, who one is, and signing in. */
import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet } from '@tanstack/react-router';
import { useCallback, useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import { noteSignedIn, useConnection } from '../../api/connection.ts';
import { useMe } from '../../api/me.ts';
import { problemOf } from '../../api/problem.ts';
import { Failed, Loading } from '../../parts/conditions.tsx';
import { Toasts } from '../../parts/toast.tsx';

/** In the fragment, which no server and no log sees. */
const SIGN_IN_LINK = /^#link=([\w-]{16,})$/;

export function Shell() {
  const me = useMe();
  const queries = useQueryClient();
  const { isSignedOut } = useConnection();
  useEffect(() => {
    if (me.data !== undefined && me.error === null && !me.isFetching) noteSignedIn();
  }, [me.data, me.error, me.isFetching]);
  const [hasLink, setHasLink] = useState(() => SIGN_IN_LINK.test(location.hash));
  const signedIn = useCallback(() => {
    setHasLink(false);
    // A question from before would be answered as before.
    void queries.cancelQueries({ queryKey: ['me'] }).then(() => me.refetch());
  }, [me.refetch, queries]);
  const isStranger = me.error !== null && problemOf(me.error).status === 401;
  if (hasLink || (me.data === undefined && isStranger)) return <SignIn onDone={signedIn} />;
  if (me.data === undefined)
    return me.error === null ? (
      <Loading what="Longshore is loading" />
    ) : (
      <Failed error={me.error} onRetry={() => void me.refetch()} />
    );
  return (
    <>
      <nav aria-label="Portal">
        <Link to="/">Files</Link> <Link to="/send">Send</Link> <span className="muted">{me.data.tenant}</span>
      </nav>
      {isSignedOut && (
        <div role="alert">
          <p>Your session has ended. Sign in again in another tab; what is being sent goes on then.</p>
          <button type="button" onClick={signedIn}>
            I have signed in
          </button>
        </div>
      )}
      <main id="main">
        <Outlet />
      </main>
      <Toasts />
    </>
  );
}

function SignIn({ onDone }: { readonly onDone: () => void }) {
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const token = SIGN_IN_LINK.exec(location.hash)?.[1];
    if (token === undefined) return;
    history.replaceState(null, '', location.pathname + location.search);
    void post('/auth/link', { token }).then(onDone, setError);
  }, [onDone]);
  return (
    <main className="stack">
      <h1>Sign in</h1>
      {error !== undefined && <Failed error={error} />}
      <p>Open the link that you were sent, or ask your contact for a new one.</p>
      <p>
        <a href={`/auth/oidc?to=${encodeURIComponent(location.pathname + location.search)}`}>
          Sign in with your organisation
        </a>
      </p>
    </main>
  );
}
