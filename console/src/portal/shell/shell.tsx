/** What is around every view of the portal: where one is, who one is, and signing in. */
import { useQueryClient } from '@tanstack/react-query';
import { lazy, type ReactNode, Suspense, useCallback, useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';
import type { Permission } from '#shared/access/permissions.ts';
import { noteSignedIn, useConnection } from '../../api/connection.ts';
import { useMe } from '../../api/me.ts';
import { problemOf } from '../../api/problem.ts';
import { signOut } from '../../api/sign-in.ts';
import { supportedTenant } from '../../api/support-view.ts';
import { Failed, Loading } from '../../parts/conditions.tsx';
import { sayProblem, Toasts } from '../../parts/toast.tsx';
import { useFocusOfPage } from '../../parts/use-focus-of-page.ts';
import { usePastedLink } from '../../parts/use-pasted-link.ts';
import { useTheme } from '../../parts/use-theme.ts';
import { isLink } from '../sign-in/sign-in-link.ts';
import styles from './shell.module.css';
import { usePortalLook } from './use-portal-look.ts';

const SignIn = lazy(() => import('../sign-in/sign-in.tsx'));

const PAGES: readonly { readonly to: string; readonly name: string; readonly takes: Permission }[] = [
  { to: '/', name: 'Files', takes: 'read' },
  { to: '/send', name: 'Send', takes: 'files:upload' },
  { to: '/expected', name: 'Expected', takes: 'read' },
  { to: '/campaigns', name: 'Campaigns', takes: 'read' },
  { to: '/notices', name: 'Notices', takes: 'notices:retry' },
  { to: '/keys', name: 'Keys', takes: 'keys:manage' },
  { to: '/people', name: 'People', takes: 'people:manage' },
];

export function Shell({ children }: { readonly children: ReactNode }) {
  const me = useMe();
  const [path] = useLocation();
  useTheme();
  const look = me.data?.portal ?? undefined;
  usePortalLook(look);
  useFocusOfPage(path);
  usePastedLink(isLink);
  const queries = useQueryClient();
  const { isSignedOut } = useConnection();
  useEffect(() => {
    if (me.data !== undefined && me.error === null && !me.isFetching) noteSignedIn();
  }, [me.data, me.error, me.isFetching]);
  const [hasLink, setHasLink] = useState(() => isLink(location.hash));
  const signedIn = useCallback(() => {
    setHasLink(false);
    // A question from before would be answered as before.
    void queries.cancelQueries({ queryKey: ['me'] }).then(() => me.refetch());
  }, [me.refetch, queries]);
  const isStranger = me.error !== null && problemOf(me.error).status === 401;
  if (supportedTenant !== undefined && isStranger)
    return (
      <p className="boot">
        <a href="/console">Sign in to the console</a> first.
      </p>
    );
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
      <header className={styles.header}>
        <strong className={styles.owner}>
          {look?.logo !== undefined && (
            <img src={look.logo} alt={look.name === undefined ? (me.data.tenant ?? '') : ''} />
          )}
          {look?.name ?? (look?.logo === undefined && 'Longshore')}
        </strong>
        <nav aria-label="Portal" className={styles.nav}>
          {PAGES.filter(({ takes }) => me.data.permissions.includes(takes)).map(({ to, name }) => (
            <Link key={to} href={to} aria-current={path === to ? 'page' : undefined}>
              {name}
            </Link>
          ))}
        </nav>
        <span className="grow" />
        <span className="muted">
          {me.data.person?.name ?? me.data.actor}, {me.data.tenant}
        </span>
        {supportedTenant === undefined ? (
          <button type="button" className="plain" onClick={() => void signOut('portal').catch(sayProblem)}>
            Sign out
          </button>
        ) : (
          <a href="/console">Back to the console</a>
        )}
      </header>
      {supportedTenant !== undefined && (
        <aside aria-label="Support view" className={styles.support}>
          You see the portal as people of {supportedTenant} do. It is read-only here, and their audit says that you
          looked.
        </aside>
      )}
      {isSignedOut && (
        <div role="alert" className={styles.away}>
          <p>
            Your session has ended.{' '}
            <a href="/portal/sign-in" target="_blank" rel="noreferrer">
              Sign in again in another tab
            </a>
            ; what is being sent continues then.
          </p>
          <button type="button" onClick={signedIn}>
            I have signed in
          </button>
        </div>
      )}
      <main id="main" tabIndex={-1} className={styles.main}>
        {children}
      </main>
      <Toasts />
    </>
  );
}
