/** What is around every view: navigation, search, who one is, and whether the API answers. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useCallback, useEffect, useId, useMemo, useRef, useState } from 'react';
import type { TenantList } from '#services/control-api/definitions/find-routes.ts';
import { get } from '../../api/client.ts';
import { noteSignedIn, useConnection } from '../../api/connection.ts';
import { togglePause, useLive, useLiveState } from '../../api/live.ts';
import { useMe } from '../../api/me.ts';
import { problemOf } from '../../api/problem.ts';
import { signOut } from '../../api/sign-in.ts';
import { Failed, Loading } from '../../parts/conditions.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { Menu } from '../../parts/menu.tsx';
import { usePreference } from '../../parts/preference.ts';
import { format, TenantZones, useZone, ZONES } from '../../parts/time.tsx';
import { sayProblem, Toasts } from '../../parts/toast.tsx';
import { useFocusOfPage } from '../../parts/use-focus-of-page.ts';
import { usePageTitle } from '../../parts/use-page-title.ts';
import { usePastedLink } from '../../parts/use-pasted-link.ts';
import { THEMES, useTheme } from '../../parts/use-theme.ts';
import { isLink, SignIn } from '../sign-in/sign-in.tsx';
import { useNamedViews } from '../views.ts';
import { Keys, type Shown } from './keys.tsx';
import { SessionEnd } from './session-end.tsx';
import styles from './shell.module.css';

const AGAIN_MS = 3_000;
const ZONE_LABELS = { tenant: "The tenant's zone", utc: 'UTC', mine: "This browser's zone" };
const LIVE_LABELS = { live: '● live', polling: '◐ every 5 s', paused: '○ paused' };

export function Shell() {
  const me = useMe();
  const queries = useQueryClient();
  const { isSignedOut } = useConnection();
  useTheme();
  usePageTitle('Longshore');
  useFocusOfPage(useRouterState({ select: ({ location: { pathname } }) => pathname }));
  usePastedLink(isLink);
  useEffect(() => {
    if (me.data !== undefined && me.error === null && !me.isFetching) noteSignedIn();
  }, [me.data, me.error, me.isFetching]);

  // A link that was opened is used, whoever was signed in before.
  const [hasLink, setHasLink] = useState(() => isLink(location.hash));
  const signedIn = useCallback(() => {
    setHasLink(false);
    // A question from before would be answered as before.
    void queries.cancelQueries({ queryKey: ['me'] }).then(() => me.refetch());
  }, [me.refetch, queries]);
  const [shown, setShown] = useState<Shown>();
  const isStranger = me.error !== null && problemOf(me.error).status === 401;
  if (hasLink || (me.data === undefined && isStranger)) return <SignIn onDone={signedIn} />;
  if (me.data === undefined) {
    return me.error === null ? (
      <Loading what="Longshore is loading" />
    ) : (
      <Failed error={me.error} onRetry={() => void me.refetch()} />
    );
  }
  return (
    <Zones>
      <a href="#main" className={styles.skip}>
        Skip to the content
      </a>
      <Header onSearch={() => setShown('palette')} />
      <div className={styles.columns}>
        <Navigation />
        <main id="main" tabIndex={-1} className={styles.main}>
          <Away />
          <SessionEnd />
          <Outlet />
        </main>
      </div>
      <Toasts />
      <Keys shown={shown} onShow={setShown} />
      {isSignedOut && (
        <Dialog title="Your session has ended" onClose={() => {}} isBinding>
          <SignIn onDone={signedIn} isAgain />
        </Dialog>
      )}
    </Zones>
  );
}

function Zones({ children }: { readonly children: React.ReactNode }) {
  const { data } = useQuery({
    queryKey: ['tenants'],
    queryFn: ({ signal }) => get<TenantList>('/api/v1/tenants', { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const zones = useMemo(() => new Map(data?.tenants.map(({ tenant, time_zone: zone }) => [tenant, zone])), [data]);
  return <TenantZones value={zones}>{children}</TenantZones>;
}

function Header({ onSearch }: { readonly onSearch: () => void }) {
  const { data: me } = useMe();
  const live = useLiveState();
  // Connected on every view, also on those that hear nothing themselves.
  useLive(() => {});
  const [zone, setZone] = useZone();
  const zoneLabel = zone === 'utc' ? 'UTC ▾' : zone === 'mine' ? 'My time ▾' : 'Tenant time ▾';
  const [theme, setTheme] = usePreference<(typeof THEMES)[number]>('theme', 'system');
  const [lists, setLists] = usePreference<'grid' | 'table'>('lists', 'grid');
  return (
    <header className={styles.header}>
      <Link to="/" className={styles.brand}>
        Longshore
      </Link>
      <button type="button" className={styles.search} title="/" aria-haspopup="dialog" onClick={onSearch}>
        ⌕ <span>File, key, request id…</span>
      </button>
      <span className="grow" />
      <button type="button" className="plain" aria-pressed={live === 'paused'} title="p" onClick={togglePause}>
        {LIVE_LABELS[live]}
      </button>
      <Menu
        name={`Time zone: ${zoneLabel}`}
        label={zoneLabel}
        className="plain"
        items={ZONES.map((each) => ({
          label: ZONE_LABELS[each],
          isChecked: each === zone,
          onSelect: () => setZone(each),
        }))}
      />
      <Menu
        name="Appearance"
        label="☾"
        className="plain icon"
        items={[
          ...THEMES.map((each) => ({
            label: `Theme: ${each}`,
            isChecked: each === theme,
            onSelect: () => setTheme(each),
          })),
          {
            label: 'Lists as plain tables',
            isChecked: lists === 'table',
            onSelect: () => setLists(lists === 'table' ? 'grid' : 'table'),
          },
        ]}
      />
      <Menu
        label={`${me?.person?.name ?? me?.actor}, ${me?.role} ▾`}
        className={`plain ${styles.person}`}
        items={[{ label: 'Sign out', onSelect: () => void signOut('console').catch(sayProblem) }]}
      />
    </header>
  );
}

/** Always there next to a wide page; above a narrow one behind a button, so that it does not take the place of the page. */
function Navigation() {
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const [openedAt, setOpenedAt] = useState<string>();
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  // Who has gone to a view is done with it.
  const isOpen = openedAt === path;
  const isHere = (to: string) => (to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`));
  const views = useNamedViews();
  const here = views.find(({ path: to }) => isHere(to))?.nav;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: what is pressed is the button and links in it.
    <div
      className={styles.side}
      onKeyDown={({ key }) => {
        if (key !== 'Escape' || !isOpen) return;
        setOpenedAt(undefined);
        button.current?.focus();
      }}
    >
      <button
        ref={button}
        type="button"
        className={styles.menu}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpenedAt(isOpen ? undefined : path)}
      >
        <span aria-hidden="true">☰</span> Menu{here !== undefined && `: ${here}`}
      </button>
      <nav id={id} className={styles.navigation} aria-label="Views" data-open={isOpen || undefined}>
        {views.map(({ path: to, nav, key }) => (
          <Link
            key={to}
            to={to as string}
            aria-current={isHere(to) ? 'page' : undefined}
            title={key && `g ${key}`}
            onClick={() => {
              setOpenedAt(undefined);
              // A link that is hidden has no focus, and the page that is shown already takes none.
              if (to === path) button.current?.focus();
            }}
          >
            {nav}
          </Link>
        ))}
      </nav>
    </div>
  );
}

/** Asks until the API answers again, then fetches everything again that is shown. */
function Away() {
  const { awaySince } = useConnection();
  const client = useQueryClient();
  useEffect(() => {
    if (awaySince === undefined) return;
    const timer = setInterval(() => {
      void get('/api/v1/me').then(
        () => client.invalidateQueries(),
        () => {},
      );
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, [awaySince, client]);
  if (awaySince === undefined) return null;
  return (
    <p className={styles.away} role="status">
      The API has not answered since {format(new Date(awaySince), undefined, false, awaySince, false)}. It is asked
      again every few seconds; what you see may be old, and nothing that you typed is lost.
    </p>
  );
}

export function NotFound() {
  const navigate = useNavigate();
  return (
    <div className="stack">
      <h1>There is no such page</h1>
      <div>
        <button type="button" onClick={() => void navigate({ to: '/' })}>
          To the start
        </button>
      </div>
    </div>
  );
}
