/** Which files this tenant is expected to send, when, and whether they came: of the last week and the next. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import type { OccurrencePage } from '#services/control-api/expectations/find-occurrences.ts';
import { get } from '../../api/client.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { Time } from '../../parts/time.tsx';

type Occurrence = OccurrencePage['occurrences'][number];

const WEEK_MS = 7 * 86_400_000;
const MOST_LINKS = 5;

const WORDS: Readonly<Record<Occurrence['state'], string>> = {
  PENDING: 'to come',
  OPEN: '● awaited',
  MET: '✓ received',
  MET_LATE: '✓ received, late',
  LATE: '▲ late',
  MISSED: '✕ not received',
  EXCUSED: 'not needed',
};

export default function ExpectedView() {
  const [now] = useState(Date.now);
  const from = new Date(now - WEEK_MS).toISOString();
  const to = new Date(now + WEEK_MS).toISOString();
  const pages = useInfiniteQuery({
    queryKey: ['occurrences', from],
    initialPageParam: '',
    queryFn: ({ signal, pageParam }) =>
      get<OccurrencePage>('/api/v1/occurrences', { query: { from, to, cursor: pageParam, limit: 100 }, signal }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
  if (pages.data === undefined)
    return pages.error === null ? <Loading /> : <Failed error={pages.error} onRetry={() => void pages.refetch()} />;
  const occurrences = pages.data.pages.flatMap((page) => page.occurrences);
  return (
    <>
      <h1>Expected files</h1>
      {occurrences.length === 0 ? (
        <Empty title="Nothing is expected this week or the next." />
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col" data-whole>
                Until
              </th>
              <th scope="col" data-name>
                What
              </th>
              <th scope="col" data-whole>
                State
              </th>
              <th scope="col" data-whole>
                Files
              </th>
            </tr>
          </thead>
          <tbody>
            {occurrences.map((occurrence) => (
              <Row key={occurrence.occurrence_id} occurrence={occurrence} />
            ))}
          </tbody>
        </table>
      )}
      {pages.hasNextPage && (
        <button type="button" onClick={() => void pages.fetchNextPage()}>
          More
        </button>
      )}
    </>
  );
}

function Row({ occurrence }: { readonly occurrence: Occurrence }) {
  const { due_at: due, expectation, state, at_risk: isAtRisk, needed, files, file_count: count, note } = occurrence;
  return (
    <tr>
      <td data-whole>
        <Time at={due} />
      </td>
      <td data-name>{expectation}</td>
      <td data-whole>
        {isAtRisk ? '▲ soon late' : WORDS[state]} <PlainText>{note}</PlainText>
      </td>
      <td>
        {count} of {needed}{' '}
        {files.slice(0, MOST_LINKS).map((id, index) => (
          <span key={id}>
            <Link href={`/files/${id}`}>file {index + 1}</Link>{' '}
          </span>
        ))}
      </td>
    </tr>
  );
}
