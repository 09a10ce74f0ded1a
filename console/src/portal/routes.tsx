/** The addresses of the portal. Each view is fetched when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Navigate } from '@tanstack/react-router';
import { Failed, Loading } from '../parts/conditions.tsx';
import { parseSearch, stringifySearch } from '../parts/url-state.ts';
import { Shell } from './shell/shell.tsx';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <Navigate to="/" replace />,
  errorComponent: ({ error }) => <Failed error={error} onRetry={() => location.reload()} />,
});
const view = (path: string, load: Parameters<typeof lazyRouteComponent>[0]) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) });

export const router = createRouter({
  routeTree: root.addChildren([
    view('/', () => import('./files/files-view.tsx')),
    view('/send', () => import('./send/send-view.tsx')),
    view('/files/$id', () => import('./file/file-view.tsx')),
  ]),
  basepath: '/portal',
  parseSearch,
  stringifySearch,
  defaultPendingComponent: () => <Loading />,
});
