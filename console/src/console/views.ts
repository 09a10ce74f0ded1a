/** All views of the console. A view is a folder with one component by `export default`, and one line here. */
import type { ComponentType } from 'react';
import type { Permission } from '#shared/access/permissions.ts';
import { useMe } from '../api/me.ts';

export interface View {
  /** Under `/console`; `$name` is a parameter. */
  readonly path: string;
  /** In the navigation, in this order; views without it are reached from others. */
  readonly nav?: string;
  /** Without it nothing of the view can be read: it is not offered. */
  readonly takes?: Permission;
  /** After `g`. */
  readonly key?: string;
  readonly load: () => Promise<{ default: ComponentType }>;
}

export const VIEWS: readonly View[] = [
  { path: '/', nav: 'Now', key: 'n', load: () => import('./now/now-view.tsx') },
  { path: '/files', nav: 'Files', key: 'f', load: () => import('./files/files-view.tsx') },
  { path: '/files/$id', load: () => import('./file/file-view.tsx') },
  { path: '/jobs', nav: 'Jobs', key: 'j', load: () => import('./jobs/jobs-view.tsx') },
  { path: '/jobs/$id/records', load: () => import('./records/records-view.tsx') },
  { path: '/reviews', nav: 'Reviews', key: 'v', load: () => import('./reviews/reviews-view.tsx') },
  { path: '/batches', nav: 'Batches', key: 'b', load: () => import('./batches/batches-view.tsx') },
  { path: '/batches/$id', load: () => import('./batches/batch-view.tsx') },
  { path: '/actions', nav: 'Actions', key: 'x', load: () => import('./actions/actions-view.tsx') },
  { path: '/actions/$id', load: () => import('./actions/action-view.tsx') },
  { path: '/proposals', nav: 'Proposals', load: () => import('./proposals/proposals-view.tsx') },
  { path: '/proposals/$id', load: () => import('./proposals/proposal-view.tsx') },
  { path: '/expected', nav: 'Expected', key: 'e', load: () => import('./expected/expected-view.tsx') },
  { path: '/routes', nav: 'Routes', key: 'r', load: () => import('./routes/route-list-view.tsx') },
  { path: '/routes/$tenant/$name', load: () => import('./routes/route-view.tsx') },
  { path: '/partners', nav: 'Partners', key: 'p', load: () => import('./partners/partner-list-view.tsx') },
  { path: '/partners/$tenant/$name', load: () => import('./partners/partner-view.tsx') },
  { path: '/remotes', nav: 'Remotes', key: 'm', load: () => import('./remotes/remotes-view.tsx') },
  { path: '/pulls', nav: 'Pulls', key: 'u', load: () => import('./pulls/pulls-view.tsx') },
  { path: '/campaigns', nav: 'Campaigns', key: 'c', load: () => import('./campaigns/campaigns-view.tsx') },
  { path: '/campaigns/$id', load: () => import('./campaigns/campaign-view.tsx') },
  { path: '/mails', nav: 'Mails', load: () => import('./campaigns/mails-view.tsx') },
  { path: '/suppressions', nav: 'Suppressed', load: () => import('./campaigns/suppressions-view.tsx') },
  { path: '/people', nav: 'People', takes: 'people:manage', load: () => import('../parts/people/people-view.tsx') },
  { path: '/keys', nav: 'Keys', takes: 'keys:manage', load: () => import('../parts/keys/keys-view.tsx') },
  { path: '/queues', nav: 'Queues', takes: 'queues:read', key: 'q', load: () => import('./queues/queues-view.tsx') },
  { path: '/effects', nav: 'In doubt', load: () => import('./effects/effects-view.tsx') },
  { path: '/sessions', nav: 'SFTP', key: 's', load: () => import('./sessions/sessions-view.tsx') },
  { path: '/usage', nav: 'Usage', load: () => import('./usage/usage-view.tsx') },
  { path: '/retention', nav: 'Retention', key: 't', load: () => import('./retention/retention-view.tsx') },
  { path: '/settings', nav: 'Settings', load: () => import('./settings/settings-view.tsx') },
  { path: '/audit', nav: 'Audit', takes: 'audit:read', key: 'a', load: () => import('./audit/audit-view.tsx') },
];

/** What the navigation and the palette offer to whom is signed in, by name. */
export function useNamedViews(): readonly (View & { readonly nav: string })[] {
  const permissions = useMe().data?.permissions ?? [];
  return VIEWS.flatMap((view) => {
    const { nav, takes } = view;
    return nav === undefined || (takes !== undefined && !permissions.includes(takes)) ? [] : [{ ...view, nav }];
  });
}
