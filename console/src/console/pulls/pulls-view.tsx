/** Files that are fetched from remotes, and the sources that find them. */
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Tabs } from '../../parts/tabs.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { PullList } from './pull-list.tsx';
import { SourceList } from './source-list.tsx';

export default function PullsView() {
  const [{ tab = 'pulls', tenant }, change] = useUrlState();
  return (
    <>
      <div className="row">
        <h1>Pulls</h1>
        <span className="grow" />
        <CopyCommand words={[tab === 'sources' ? 'sources' : 'pulls', ...(tenant ? ['--tenant', tenant] : [])]} />
      </div>
      <Tabs
        label="Pulls and sources"
        current={tab}
        onChange={(id) => change({ tab: id === 'pulls' ? undefined : id })}
        tabs={[
          { id: 'pulls', label: 'Files fetched', panel: () => <PullList /> },
          { id: 'sources', label: 'Sources', panel: () => <SourceList /> },
        ]}
      />
    </>
  );
}
