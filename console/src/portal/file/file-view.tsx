/** One file: what became of it, what to correct, and what can be taken. */
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'wouter';
import { get, post } from '../../api/client.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { bytesText, Time } from '../../parts/time.tsx';
import { say, sayProblem } from '../../parts/toast.tsx';
import { wordOf } from '../words.ts';

interface File {
  readonly file_id: string;
  readonly file_name: string;
  readonly file_size: number;
  readonly status: string;
  readonly registered_at: string;
  readonly error: { readonly code: string; readonly message?: string | null } | null;
  readonly jobs?: readonly {
    readonly job_id: string;
    readonly route: string;
    readonly state: string;
    readonly error: { readonly code: string; readonly message?: string | null } | null;
  }[];
}

const TAKEN = { original: 'The file as you sent it', results: 'Results', rejects: 'Rejected rows' } as const;

export default function FileView() {
  const { id } = useParams<{ id: string }>();
  const file = useQuery({
    queryKey: ['file', id],
    queryFn: ({ signal }) => get<File>(`/api/v1/files/${id}`, { signal }),
    refetchInterval: 5_000,
  });
  async function take(what: keyof typeof TAKEN): Promise<void> {
    try {
      const { url } = await post<{ url: string }>('/api/v1/downloads', { file_id: id, what });
      // The store answers with an attachment: the page stays.
      location.assign(url);
      say('The download begins.');
    } catch (error) {
      sayProblem(error);
    }
  }
  return (
    <Fetched query={file}>
      {({ file_name, file_size, status, registered_at, error, jobs = [] }) => (
        <>
          <h1>
            <PlainText>{file_name}</PlainText>
          </h1>
          <p>
            <strong>{wordOf(status)}</strong> · {bytesText(file_size)} · <Time at={registered_at} />
          </p>
          {error !== null && (
            <section aria-label="What to correct">
              <h2>What to correct</h2>
              <p role="alert">
                <PlainText>{error.message ?? error.code}</PlainText> <code>{error.code}</code>
              </p>
              <Link href="/send">Send a corrected file</Link>
            </section>
          )}
          {jobs.length > 0 && (
            <ul aria-label="Steps">
              {jobs.map((job) => (
                <li key={job.job_id}>
                  <PlainText>{job.route}</PlainText>: {job.state.toLowerCase()}{' '}
                  {job.error !== null && <PlainText>{job.error.message ?? job.error.code}</PlainText>}
                </li>
              ))}
            </ul>
          )}
          <p>
            {(Object.keys(TAKEN) as (keyof typeof TAKEN)[]).map((what) => (
              <button key={what} type="button" onClick={() => void take(what)}>
                {TAKEN[what]}
              </button>
            ))}
          </p>
        </>
      )}
    </Fetched>
  );
}
