/** What this tenant sent, newest first, in its own words. */

import { useInfiniteQuery } from '@tanstack/react-query';
import prettyBytes from 'pretty-bytes';
import { Link } from 'wouter';
import { get } from '../../api/client.ts';
import { perPage } from '../../api/query-client.ts';
import { Empty, Failed, Loading } from '../../parts/conditions.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { Time } from '../../parts/time.tsx';
import { State } from '../state.tsx';

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

export default function FilesView() {
  const pages = useInfiniteQuery({
    queryKey: ['files'],
    initialPageParam: '',
    queryFn: ({ signal, pageParam }) => get<Page>('/api/v1/files', { query: { cursor: pageParam }, signal }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: perPage(5_000),
  });
  if (pages.data === undefined)
    return pages.error === null ? <Loading /> : <Failed error={pages.error} onRetry={() => void pages.refetch()} />;
  const files = pages.data.pages.flatMap((page) => page.files);
  return (
    <>
      <h1>Files</h1>
      {files.length === 0 && (
        <Empty title="You have sent no file yet.">
          <Link href="/send">Send files</Link>
        </Empty>
      )}
      {files.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col">State</th>
              <th scope="col">Size</th>
              <th scope="col">Received</th>
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
                <td>
                  <State status={file.status} />
                </td>
                <td>{prettyBytes(file.file_size)}</td>
                <td>
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
