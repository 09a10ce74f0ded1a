/** What happened to a file, in one order: only the lines in sight are in the document, and equal neighbours are one line. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { FileDetail } from '#services/control-api/files/find-files.ts';
import type { TimelinePage } from '#shared/api/timeline.ts';
import { get } from '../../api/client.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { jobName } from '../../parts/job-tree.ts';
import { JsonView } from '../../parts/json-view.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, durationText, Time } from '../../parts/time.tsx';
import { useUrlState } from '../../parts/url-state.ts';
import styles from './file.module.css';
import { createLineFold } from './fold-lines.ts';
import { settledPage } from './settled-page.ts';

const KINDS = ['file', 'job', 'step', 'attempt', 'records', 'transfer', 'notice', 'person', 'letter', 'other'] as const;
const LINE_PX = 34;
const AHEAD = 20;
const REFETCH_MS = 3_000;

export function Timeline({ file }: { readonly file: FileDetail }) {
  const { file_id: fileId, customer_id: tenant } = file;
  const isOpen = file.finished_at === null;
  /** Of lines of which one could not tell otherwise which job they are of. */
  const jobNames = new Map(file.jobs.length > 1 ? file.jobs.map((job) => [job.job_id, jobName(job)]) : []);
  const [search, change] = useUrlState();
  const { kinds } = search;
  const pages = useInfiniteQuery({
    queryKey: ['timeline', fileId, kinds],
    queryFn: ({ pageParam, signal, client, queryKey }) =>
      settledPage(client.getQueryData(queryKey), pageParam) ??
      get<TimelinePage>(`/api/v1/files/${fileId}/timeline`, {
        query: { kinds, cursor: pageParam },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
    refetchInterval: isOpen ? REFETCH_MS : false,
  });
  const [fold] = useState(createLineFold);
  const entries = useMemo(() => fold(pages.data?.pages.map(({ lines }) => lines) ?? []), [fold, pages.data]);
  const scroller = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    overscan: 8,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const { hasNextPage, isFetching, fetchNextPage } = pages;
  useEffect(() => {
    if (hasNextPage && !isFetching && last >= entries.length - AHEAD) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage, last, entries.length]);

  if (pages.data === undefined)
    return pages.error === null ? (
      <Loading what="The timeline is loading" />
    ) : (
      <Failed error={pages.error} onRetry={() => void pages.refetch()} />
    );
  return (
    <div className="stack">
      <label className="row">
        Show
        <select value={kinds ?? ''} onChange={(event) => change({ kinds: event.target.value || undefined }, true)}>
          <option value="">everything</option>
          <option value="file,job,step,person">what people and steps did</option>
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {kind}
            </option>
          ))}
        </select>
        <span className="muted">{countText(entries.length)} lines</span>
      </label>
      {entries.length === 0 ? (
        <Empty title="Nothing of this kind happened to the file." />
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys.
        <section ref={scroller} className={styles.lines} aria-label="Timeline" tabIndex={0}>
          <ol style={{ height: `${virtual.getTotalSize()}px` }}>
            {items.map(({ index, start }) => {
              const entry = entries.at(index);
              if (entry === undefined) return null;
              return (
                <li
                  key={entry.id}
                  ref={virtual.measureElement}
                  data-index={index}
                  className={`${styles.line} ${entry.type === 'gap' ? styles.gap : ''}`}
                  style={{ position: 'absolute', transform: `translateY(${start}px)` }}
                >
                  {entry.type === 'gap' ? (
                    <div>… nothing for {durationText(entry.ms)}</div>
                  ) : (
                    <>
                      <Time at={entry.line.at} tenant={tenant} isExact />
                      <div>
                        <strong>{entry.line.type}</strong>
                        {jobNames.has(entry.line.job_id ?? '') && `${jobNames.get(entry.line.job_id ?? '')} `}
                        {entry.count > 1 && ` ${countText(entry.count)} times`}{' '}
                        {entry.line.step !== null && `${entry.line.step} `}
                        {entry.line.outcome !== null && `${entry.line.outcome} `}
                        {typeof entry.line.detail.waitsFor === 'string' && `for ${entry.line.detail.waitsFor} `}
                        <span className="muted">
                          <PlainText>{entry.line.actor}</PlainText>
                        </span>
                        {entry.line.ended_at !== null && (
                          <span className="muted">
                            {' '}
                            {durationText(Date.parse(entry.line.ended_at) - Date.parse(entry.line.at))}
                          </span>
                        )}
                        {entry.line.reason !== null && (
                          <>
                            {' '}
                            “<PlainText>{entry.line.reason}</PlainText>”
                          </>
                        )}
                        {entry.line.error !== null && (
                          <div>
                            <code>
                              {entry.line.error.code} {entry.line.error.cause}
                            </code>{' '}
                            <PlainText>{entry.line.error.message}</PlainText>
                          </div>
                        )}
                        {Object.keys(entry.line.detail).length > 0 && (
                          <JsonView value={entry.line.detail} isOpen={false} />
                        )}
                      </div>
                    </>
                  )}
                </li>
              );
            })}
          </ol>
        </section>
      )}
    </div>
  );
}
