/** For how long files of each tenant are kept, and how many expire when. */
import { useQuery } from '@tanstack/react-query';
import type { RetentionReply } from '#services/control-api/retention/find-retention.ts';
import { get } from '../../api/client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';

type Tenant = RetentionReply['tenants'][number];

/** More are not counted. */
const MOST_COUNTED = 10_000;

const COLUMNS: readonly Column<Tenant>[] = [
  { id: 'tenant', title: 'Tenant', width: 'minmax(120px, 1fr)', cell: ({ customer_id: tenant }) => tenant },
  { id: 'files', title: 'Files', width: '120px', cell: ({ files_seconds: seconds }) => periodText(seconds) },
  { id: 'objects', title: 'Contents', width: '120px', cell: ({ objects_seconds: seconds }) => periodText(seconds) },
  {
    id: 'routes',
    title: 'Other on routes',
    width: 'minmax(180px, 3fr)',
    cell: ({ routes }) => routes.map(({ route, files_seconds: files }) => `${route} ${periodText(files)}`).join(', '),
  },
  { id: 'due', title: 'Due now', width: '100px', isNumber: true, cell: ({ expired }) => cappedText(expired) },
  { id: 'day', title: 'In a day', width: '100px', isNumber: true, cell: ({ within_day: count }) => cappedText(count) },
  {
    id: 'month',
    title: 'In 30 days',
    width: '100px',
    isNumber: true,
    cell: ({ within_month: count }) => cappedText(count),
  },
  {
    id: 'next',
    title: 'Next expires',
    width: '170px',
    cell: ({ next_at: at, customer_id: tenant }) => <Time at={at} tenant={tenant} />,
  },
  {
    id: 'held',
    title: 'Held',
    width: 'minmax(130px, 1fr)',
    cell: ({ holds, is_held: isHeld }) => (isHeld ? '⏸ everything' : holds === 0 ? '' : `⏸ ${countText(holds)} holds`),
  },
];

export function PeriodList({ tenant }: { readonly tenant: string | undefined }) {
  const retention = useQuery({
    queryKey: ['retention', tenant],
    queryFn: ({ signal }) => get<RetentionReply>('/api/v1/retention', { query: { tenant }, signal }),
  });
  return (
    <Fetched query={retention}>
      {({ tenants, default_files_seconds: byDefault, objects_waiting: waiting }) => (
        <div className="stack">
          <p>
            Where neither tenant nor route says otherwise: {periodText(byDefault)}.
            {waiting > 0 && ` ${cappedText(waiting)} contents of deleted files are still to be deleted by the store.`}
          </p>
          {tenants.length === 0 ? (
            <Empty title="There is no such tenant." />
          ) : (
            <Grid label="Retention by tenant" columns={COLUMNS} rows={tenants} rowId={({ customer_id: id }) => id} />
          )}
        </div>
      )}
    </Fetched>
  );
}

function periodText(seconds: number | null): string {
  return seconds === null ? 'for good' : durationText(seconds * 1_000);
}

function cappedText(count: number): string {
  return count >= MOST_COUNTED ? `${countText(MOST_COUNTED)}+` : countText(count);
}
