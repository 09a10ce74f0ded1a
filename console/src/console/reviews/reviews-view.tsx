/** Files that wait for a person, the oldest first: for how long, who looks at them, and what is known; released and rejected from here. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ReviewPage } from '#services/control-api/reviews/find-reviews.ts';
import { get, post } from '../../api/client.ts';
import { useLivePages } from '../../api/live-pages.ts';
import { useRefusal } from '../../api/me.ts';
import { type Scope, VerbButtons } from '../../parts/action-sheet/verb-buttons.tsx';
import { Empty, Failed, Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FilterBar } from '../../parts/filter-bar/filter-bar.tsx';
import { type Column, Grid } from '../../parts/grid/grid.tsx';
import { pagedRows } from '../../parts/grid/paged-rows.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

type Review = ReviewPage['reviews'][number];

const PAGE = 100;
const LONGEST_COMMENT = 500;
const VERBS = ['release', 'reject'] as const;

const COLUMNS: readonly Column<Review>[] = [
  {
    id: 'since',
    title: 'Held since',
    width: '110px',
    cell: ({ held_since: at, customer_id: tenant }) => <Time at={at} tenant={tenant} isRelative />,
  },
  {
    id: 'file',
    title: 'File',
    width: 'minmax(200px, 2fr)',
    cell: ({ file_name: name }) => <PlainText>{name}</PlainText>,
  },
  { id: 'tenant', title: 'Tenant', width: 'minmax(90px, 1fr)', cell: ({ customer_id: tenant }) => tenant },
  { id: 'route', title: 'Route', width: 'minmax(90px, 1fr)', cell: ({ route }) => route },
  { id: 'person', title: 'Who', width: 'minmax(120px, 1fr)', cell: ({ person }) => <PlainText>{person}</PlainText> },
  {
    id: 'comment',
    title: 'Last comment',
    width: 'minmax(200px, 3fr)',
    cell: ({ comment }) => <PlainText>{comment}</PlainText>,
  },
];

export default function ReviewsView() {
  const [search, change] = useUrlState();
  const { tenant } = search;
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [opened, setOpened] = useState<Review>();
  const pages = useInfiniteQuery({
    queryKey: ['reviews', tenant],
    queryFn: ({ pageParam, signal }) =>
      get<ReviewPage>('/api/v1/reviews', {
        query: { tenant, limit: PAGE, cursor: pageParam },
        headers: { 'x-longshore-background': '1' },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  useLivePages(pages, selected.size > 0);

  function settled(): void {
    setSelected(new Set());
    setOpened(undefined);
    void pages.refetch();
  }
  const scopeOf = (): Scope =>
    selected.size > 0 ? { filter: { ids: [...selected] } } : { refusal: 'Select files first.' };

  return (
    <>
      <div className="row">
        <h1>Reviews</h1>
        <span className="grow" />
        <Link to={'/jobs' as string} search={{ held: 'true', tenant } as never}>
          All held jobs, with filters
        </Link>
        <CopyCommand words={['reviews', ...(tenant ? ['--tenant', tenant] : [])]} />
      </div>
      <FilterBar fields={[{ name: 'tenant', label: 'tenant' }]} values={search} onChange={change} />
      <div className="row">
        <span>{selected.size > 0 ? `${countText(selected.size)} selected` : ''}</span>
        <VerbButtons verbs={VERBS} scopeOf={scopeOf} onRun={settled} />
      </div>
      <Fetched query={pages}>
        {({ pages: found }) => {
          const rows = pagedRows(found.map(({ reviews }) => reviews));
          if (rows.length === 0) return <Empty title="No file waits for a person." />;
          return (
            <Grid
              label="Reviews"
              columns={COLUMNS}
              rows={rows}
              rowId={({ job_id: id }) => id}
              rowName={({ file_name: name }) => name}
              onOpen={setOpened}
              selection={{ ids: selected, onChange: setSelected }}
              hasMore={pages.hasNextPage}
              onMore={() => void pages.fetchNextPage()}
              isFetching={pages.isFetchingNextPage}
            />
          );
        }}
      </Fetched>
      {opened !== undefined && (
        <ReviewDialog review={opened} onClose={() => setOpened(undefined)} onSettled={settled} />
      )}
    </>
  );
}

interface ReviewDialogProps {
  readonly review: Review;
  readonly onClose: () => void;
  readonly onSettled: () => void;
}

function ReviewDialog({ review, onClose, onSettled }: ReviewDialogProps) {
  const { job_id: id, file_id: fileId, customer_id: tenant } = review;
  const [comment, setComment] = useState('');
  const [error, setError] = useState<unknown>();
  const [isSending, setIsSending] = useState(false);
  const refusal = useRefusal('jobs:review');
  const text = comment.trim();

  async function send(): Promise<void> {
    if (text === '' || isSending || refusal !== undefined) return;
    setIsSending(true);
    setError(undefined);
    try {
      await post(`/api/v1/jobs/${id}/comment`, { comment: text });
      say('Your comment is kept.');
      onSettled();
    } catch (caught) {
      setError(caught);
    } finally {
      setIsSending(false);
    }
  }

  return (
    <Dialog
      title={review.file_name}
      isWide
      onClose={onClose}
      actions={<VerbButtons verbs={VERBS} scopeOf={() => ({ filter: { ids: [id] } })} onRun={onSettled} />}
    >
      <p>
        {tenant} · {review.route} · held since <Time at={review.held_since} tenant={tenant} /> ·{' '}
        <Link to={`/files/${fileId}` as string}>The file, with all that was done</Link>
      </p>
      {review.comment !== null && review.commented_at !== null && (
        <p>
          <PlainText>{review.person}</PlainText> <Time at={review.commented_at} tenant={tenant} />: “
          <PlainText>{review.comment}</PlainText>”
        </p>
      )}
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <label>
          Comment for the others, kept in the audit{' '}
          <input value={comment} maxLength={LONGEST_COMMENT} onChange={(event) => setComment(event.target.value)} />
        </label>
        <div className="row">
          <button type="submit" disabled={text === '' || isSending || refusal !== undefined} title={refusal}>
            Comment
          </button>
          <CopyCommand words={['comment', id, '--text', text || 'TEXT']} />
        </div>
      </form>
      {error !== undefined && <Failed error={error} />}
    </Dialog>
  );
}
