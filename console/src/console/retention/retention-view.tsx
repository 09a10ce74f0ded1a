/** Retention: for how long files are kept, what is held, and certificates of what was deleted. */
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { Tabs } from '../../parts/tabs.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import { CertificateList } from './certificate-list.tsx';
import { HoldList } from './hold-list.tsx';
import { PeriodList } from './period-list.tsx';

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  periods: ['retention'],
  holds: ['legal-hold', 'list'],
  certificates: ['retention', 'certificates'],
};

export default function RetentionView() {
  const [{ tab = 'periods', tenant, ...search }, change] = useUrlState();
  return (
    <>
      <div className="row">
        <h1>Retention</h1>
        <span className="grow" />
        <CopyCommand words={[...(COMMANDS[tab] ?? []), ...(tenant ? ['--tenant', tenant] : [])]} />
      </div>
      <FilterBar fields={[{ name: 'tenant', label: 'tenant' }]} values={{ tenant }} onChange={change} />
      <Tabs
        label="Retention"
        current={tab}
        onChange={(id) => change({ tab: id === 'periods' ? undefined : id })}
        tabs={[
          { id: 'periods', label: 'Kept for', panel: () => <PeriodList tenant={tenant} /> },
          {
            id: 'holds',
            label: 'Legal holds',
            panel: () => <HoldList tenant={tenant} showsAll={search.all === 'true'} onChange={change} />,
          },
          { id: 'certificates', label: 'Deletion certificates', panel: () => <CertificateList tenant={tenant} /> },
        ]}
      />
    </>
  );
}
