/** The addresses of the portal. Each view is fetched when it is first opened. */
import { lazy, Suspense } from 'react';
import { Redirect, Route, Router, Switch } from 'wouter';
import { portalBase } from '../api/support-view.ts';
import { Loading } from '../parts/conditions.tsx';
import { Shell } from './shell/shell.tsx';

const FilesView = lazy(() => import('./files/files-view.tsx'));
const SendView = lazy(() => import('./send/send-view.tsx'));
const ExpectedView = lazy(() => import('./expected/expected-view.tsx'));
const CampaignsView = lazy(() => import('./campaigns/campaigns-view.tsx'));
const CampaignView = lazy(() => import('./campaigns/campaign-view.tsx'));
const NoticesView = lazy(() => import('./notices/notices-view.tsx'));
const KeysView = lazy(() => import('../parts/keys/keys-view.tsx'));
const PeopleView = lazy(() => import('../parts/people/people-view.tsx'));
const FileView = lazy(() => import('./file/file-view.tsx'));

/** A few addresses without a state in them take no large router: a partner's line may be slow. */
export function Portal() {
  return (
    <Router base={portalBase}>
      <Shell>
        <Suspense fallback={<Loading />}>
          <Switch>
            <Route path="/" component={FilesView} />
            <Route path="/send" component={SendView} />
            <Route path="/files/:id" component={FileView} />
            <Route path="/expected" component={ExpectedView} />
            <Route path="/campaigns" component={CampaignsView} />
            <Route path="/campaigns/:id" component={CampaignView} />
            <Route path="/notices" component={NoticesView} />
            <Route path="/keys" component={KeysView} />
            <Route path="/people" component={PeopleView} />
            <Route>
              <Redirect to="/" replace />
            </Route>
          </Switch>
        </Suspense>
      </Shell>
    </Router>
  );
}
