/** What this tenant sent, newest first, in its own words. */

import { useInfiniteQuery } from '@tanstack/react-query';
import prettyBytes from 'pretty-bytes';
import { Link, useSearchParams } from 'wouter';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { Time } from '../../parts/time.tsx';
import { State } from '../state.tsx';
import { STATES_TO_FIND } from '../words.ts';

interface Page {
  readonly files: readonly {
    readonly file_id: string;
    readonly file_name: string;
    readonly file_size: number;
    readonly status: string;
    readonly registered_at: string;
  }[];
  readonly next_cursor: string | null;
}

/** Someone who writes no pattern means a beginning. */
const patternOf = (name: string) => (name.includes('*') ? name : `${name}*`);

export default function FilesView() {
  const [search, setSearch] = useSearchParams();
  const [name, state] = [search.get('name') ?? '', search.get('state') ?? ''];
  const isFiltered = name !== '' || state !== '';
  const query = { name: name === '' ? undefined : patternOf(name), status: STATES_TO_FIND[state] };
  const pages = useInfiniteQuery({
    queryKey: ['files', query],
    initialPageParam: '',
    queryFn: ({ signal, pageParam }) => get<Page>('/api/v1/files', { query: { ...query, cursor: pageParam }, signal }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: perPage(5_000),
  });
  const files = pages.data?.pages.flatMap((page) => page.files) ?? [];
  return (
    <>
      <h1>Files</h1>
      <form
        key={`${name}\n${state}`}
        className="row"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          const asked = [...new FormData(event.currentTarget)].map(([field, value]) => [field, String(value).trim()]);
          setSearch(asked.filter(([, value]) => value !== ''));
        }}
      >
        <label>
          The name begins with <input name="name" type="search" maxLength={500} defaultValue={name} />
        </label>
        <label>
          State{' '}
          <select name="state" defaultValue={state}>
            <option value="">all</option>
            {Object.keys(STATES_TO_FIND).map((word) => (
              <option key={word}>{word}</option>
            ))}
          </select>
        </label>
        <button type="submit">Find</button>
        {isFiltered && (
          <button type="button" onClick={() => setSearch({})}>
            Show all
          </button>
        )}
      </form>
      {pages.data === undefined && pages.error === null && <Loading />}
      {pages.error !== null && <Failed error={pages.error} onRetry={() => void pages.refetch()} />}
      {pages.data !== undefined &&
        files.length === 0 &&
        (isFiltered ? (
          <Empty title="No file matches." />
        ) : (
          <Empty title="You have sent no file yet.">
            <Link href="/send">Send files</Link>
          </Empty>
        ))}
      {files.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col" data-whole>
                State
              </th>
              <th scope="col" data-whole>
                Size
              </th>
              <th scope="col" data-whole>
                Received
              </th>
            </tr>
          </thead>
          <tbody>
            {files.map((file) => (
              <tr key={file.file_id}>
                <td>
                  <Link href={`/files/${file.file_id}`}>
                    <PlainText>{file.file_name}</PlainText>
                  </Link>
                </td>
                <td data-whole>
                  <State status={file.status} />
                </td>
                <td data-whole>{prettyBytes(file.file_size)}</td>
                <td data-whole>
                  <Time at={file.registered_at} />
                </td>
              </tr>
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
