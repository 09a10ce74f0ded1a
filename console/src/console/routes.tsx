/** The addresses of the console, from the list of its views. Each view is fetched when it is first opened. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Navigate,
  redirect,
} from '@tanstack/react-router';
import { Failed, Loading } from '../parts/conditions.tsx';
import { parseSearch, stringifySearch } from '../parts/url-state.ts';
import { NotFound, Shell } from './shell/shell.tsx';
import { VIEWS } from './views.ts';

const FIRST = '/files';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: ({ error }) => <Failed error={error} onRetry={() => location.reload()} />,
});

const views = VIEWS.map(({ path, load }) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) }),
);
const start = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: FIRST });
  },
});
/** Where sign-in links go: who comes through has signed in, or had. */
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: () => <Navigate to="/" replace />,
});
const hasStart = VIEWS.some(({ path }) => path === '/');

export const router = createRouter({
  routeTree: root.addChildren([...views, signIn, ...(hasStart ? [] : [start])]),
  basepath: '/console',
  parseSearch,
  stringifySearch,
  defaultPendingComponent: () => <Loading />,
  defaultPreload: 'intent',
  scrollRestoration: true,
});
