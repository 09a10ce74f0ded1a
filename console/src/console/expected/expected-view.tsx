/** What is to come and what came: what needs a person first, then a week by tenant. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Fragment } from 'react';
import type { Occurrence, OccurrencePage } from '#services/control-api/expectations/find-occurrences.ts';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import styles from './expected.module.css';
import { OccurrenceDialog } from './occurrence-dialog.tsx';
import { dayAfter, daysFrom, mondayOf, needsPerson, oddityText, wordOf } from './occurrence-words.ts';

const REFETCH_MS = 15_000;
const PAGE = 200;

export default function ExpectedView() {
  const [search, change] = useUrlState();
  const { tenant, expectation, occurrence } = search;
  const monday = mondayOf(search.week, Date.now());
  const from = `${monday}T00:00:00Z`;
  const to = `${dayAfter(monday, 6)}T23:59:59.999Z`;
  const pages = useInfiniteQuery({
    queryKey: ['occurrences', monday, tenant, expectation],
    queryFn: ({ pageParam, signal }) =>
      get<OccurrencePage>('/api/v1/occurrences', {
        query: { from, to, tenant, expectation, cursor: pageParam, limit: PAGE },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: perPage(REFETCH_MS),
  });
  const open = (id: string) => change({ occurrence: id });
  return (
    <>
      <div className="row">
        <h1>Expected</h1>
        <span className="grow" />
        <button type="button" onClick={() => change({ week: dayAfter(monday, -7) })}>
          Week before
        </button>
        <button type="button" onClick={() => change({ week: undefined })}>
          This week
        </button>
        <button type="button" onClick={() => change({ week: dayAfter(monday, 7) })}>
          Week after
        </button>
        <CopyCommand words={['occurrences', '--from', from, '--to', to]} />
      </div>
      <FilterBar
        fields={[
          { name: 'tenant', label: 'tenant' },
          { name: 'expectation', label: 'expectation' },
        ]}
        values={search}
        onChange={change}
      />
      <Fetched query={pages}>
        {({ pages: found }) => {
          const all = found.flatMap(({ occurrences }) => occurrences);
          if (all.length === 0)
            return (
              <Empty title="Nothing is expected in this week.">
                <p>
                  Apply a document of <code>kind: expectation</code> to say which files have to come, and when.
                </p>
              </Empty>
            );
          return (
            <>
              <NeedsPerson occurrences={all.filter(needsPerson)} onOpen={open} />
              <Week monday={monday} occurrences={all} onOpen={open} />
              {pages.hasNextPage && (
                <p className="row">
                  <span>The later days of this week are not all shown.</span>
                  <button type="button" disabled={pages.isFetching} onClick={() => void pages.fetchNextPage()}>
                    Show more
                  </button>
                </p>
              )}
            </>
          );
        }}
      </Fetched>
      {occurrence !== undefined && (
        <OccurrenceDialog
          key={occurrence}
          id={occurrence}
          onClose={() => change({ occurrence: undefined })}
          onChanged={() => void pages.refetch()}
        />
      )}
    </>
  );
}

interface OccurrencesProps {
  readonly occurrences: readonly Occurrence[];
  readonly onOpen: (id: string) => void;
}

function NeedsPerson({ occurrences, onOpen }: OccurrencesProps) {
  return (
    <>
      <h2>Late, missed, at risk or odd</h2>
      {occurrences.length === 0 ? (
        <p>Nothing in this week.</p>
      ) : (
        <div className={styles.wide}>
          <table>
            <thead>
              <tr>
                {['State', 'Tenant', 'Expectation', 'Due', 'Came', 'Odd'].map((title) => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {occurrences.map((each) => (
                <tr key={each.occurrence_id}>
                  <td>
                    <StateBadge state={wordOf(each)} />
                  </td>
                  <td>{each.customer_id}</td>
                  <td>
                    <button type="button" onClick={() => onOpen(each.occurrence_id)}>
                      {each.expectation}
                    </button>
                  </td>
                  <td>
                    <Time at={each.due_at} tenant={each.customer_id} />
                  </td>
                  <td>
                    {each.file_count} of {each.needed}
                  </td>
                  <td>
                    <PlainText>{each.oddities.map(oddityText).join(', ') || '–'}</PlainText>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Week({ monday, occurrences, onOpen }: OccurrencesProps & { readonly monday: string }) {
  const days = daysFrom(monday);
  const tenants = Map.groupBy(occurrences, ({ customer_id: tenant }) => tenant);
  return (
    <>
      <h2>Week of {monday}, days in UTC</h2>
      <div className={styles.wide}>
        <table>
          <thead>
            <tr>
              <th scope="col">Expectation</th>
              {days.map((day) => (
                <th key={day} scope="col">
                  {new Intl.DateTimeFormat('en', { weekday: 'short', timeZone: 'UTC' }).format(new Date(day))}{' '}
                  {day.slice(5)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...tenants].map(([tenant, ofTenant]) => (
              <Fragment key={tenant}>
                <tr>
                  <th scope="rowgroup" colSpan={days.length + 1}>
                    {tenant}
                  </th>
                </tr>
                {[...Map.groupBy(ofTenant, ({ expectation }) => expectation)].map(([expectation, each]) => (
                  <tr key={expectation}>
                    <th scope="row">{expectation}</th>
                    {days.map((day) => (
                      <td key={day}>
                        {each
                          .filter(({ due_at: at }) => at.startsWith(day))
                          .map((one) => (
                            <Cell key={one.occurrence_id} occurrence={one} onOpen={onOpen} />
                          ))}
                      </td>
                    ))}
                  </tr>
                ))}
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Cell({ occurrence, onOpen }: { readonly occurrence: Occurrence; readonly onOpen: (id: string) => void }) {
  const { occurrence_id: id, due_at: at, oddities } = occurrence;
  return (
    <button type="button" className={`plain ${styles.cell}`} onClick={() => onOpen(id)}>
      {at.slice(11, 16)} <StateBadge state={wordOf(occurrence)} />
      {oddities.length > 0 && (
        <span title={oddities.map(oddityText).join(', ')}>
          {' '}
          <span aria-hidden="true">◇</span> odd
        </span>
      )}
    </button>
  );
}
