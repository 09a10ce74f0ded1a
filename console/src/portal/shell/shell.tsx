/** What is around every view of the portal: where one is, who one is, and signing in. */
import { useQueryClient } from '@tanstack/react-query';

import { lazy, type ReactNode, Suspense, useCallback, useEffect, useState } from 'react';
import { Link } from 'wouter';
import { noteSignedIn, useConnection } from '../../api/connection.ts';
import { useMe } from '../../api/me.ts';
import { problemOf } from '../../api/problem.ts';
import { Failed, Loading } from '../../parts/conditions.tsx';
import { Toasts } from '../../parts/toast.tsx';
import { linkOf } from '../sign-in/sign-in-link.ts';

const SignIn = lazy(() => import('../sign-in/sign-in.tsx'));

export function Shell({ children }: { readonly children: ReactNode }) {
  const me = useMe();
  const queries = useQueryClient();
  const { isSignedOut } = useConnection();
  useEffect(() => {
    if (me.data !== undefined && me.error === null && !me.isFetching) noteSignedIn();
  }, [me.data, me.error, me.isFetching]);
  const [hasLink, setHasLink] = useState(() => linkOf(location.hash) !== undefined);
  const signedIn = useCallback(() => {
    setHasLink(false);
    // A question from before would be answered as before.
    void queries.cancelQueries({ queryKey: ['me'] }).then(() => me.refetch());
  }, [me.refetch, queries]);
  const isStranger = me.error !== null && problemOf(me.error).status === 401;
  if (hasLink || (me.data === undefined && isStranger))
    return (
      <Suspense fallback={<Loading />}>
        <SignIn onDone={signedIn} />
      </Suspense>
    );
  if (me.data === undefined)
    return me.error === null ? (
      <Loading what="Longshore is loading" />
    ) : (
      <Failed error={me.error} onRetry={() => void me.refetch()} />
    );
  return (
    <>
      <nav aria-label="Portal">
        <Link href="/">Files</Link> <Link href="/send">Send</Link> <span className="muted">{me.data.tenant}</span>
      </nav>
      {isSignedOut && (
        <div role="alert">
          <p>
            Your session has ended.{' '}
            <a href="/portal/sign-in" target="_blank" rel="noreferrer">
              Sign in again in another tab
            </a>
            ; what is being sent goes on then.
          </p>
          <button type="button" onClick={signedIn}>
            I have signed in
          </button>
        </div>
      )}
      <main id="main">{children}</main>
      <Toasts />
    </>
  );
}
