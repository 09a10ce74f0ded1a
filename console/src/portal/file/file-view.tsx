/** One file: what happened to it, what to correct, and what can be taken. */

import { useQuery } from '@tanstack/react-query';
import prettyBytes from 'pretty-bytes';
import { Link, useParams } from 'wouter';
import { get, post } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { whileThere } from '../../api/query-client.ts';
import { supportedTenant } from '../../api/support-view.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { Copy } from '../../parts/copy-command.tsx';
import { jobName, placeJobs } from '../../parts/job-tree.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { say, sayProblem } from '../../parts/toast.tsx';
import { State } from '../state.tsx';
import { stepWordOf } from '../words.ts';

type Fault = {
  readonly code: string;
  readonly for_sender: { readonly text: string; readonly is_to_correct: boolean };
};

interface File {
  readonly file_id: string;
  readonly file_name: string;
  readonly file_size: number;
  readonly status: string;
  readonly registered_at: string;
  readonly error: Fault | null;
  readonly finished_at?: string | null;
  readonly downloads?: readonly string[];
  readonly jobs?: readonly {
    readonly job_id: string;
    readonly parent_job_id: string | null;
    readonly route: string;
    readonly branch: string | null;
    readonly state: string;
    readonly wait_reason: string | null;
    readonly error: Fault | null;
  }[];
}

const TAKEN = {
  original: { label: 'The file as you sent it', takes: 'files:download' },
  results: { label: 'Results', takes: 'results:download' },
  rejects: { label: 'Rejected rows', takes: 'results:download' },
} as const;

interface Receipts {
  readonly receipts: readonly { readonly seq: number; readonly issued_at: string; readonly jws: string }[];
}

interface Counts {
  readonly total: number;
  readonly success: number;
  readonly failed: number;
  readonly ambiguous: number;
  readonly rejected: number;
}

function recordWords({ success, failed, ambiguous, rejected }: Counts): string[] {
  const words = [
    [success, 'done'],
    [failed, 'failed'],
    [ambiguous, 'being clarified'],
    [rejected, 'rejected: they could not be read'],
  ] as const;
  return words.flatMap(([count, what]) => (count > 0 ? [`${countText(count)} ${what}`] : []));
}

/** The failure of a job whose branches failed: what there is to correct is said by those. */
const OF_BRANCHES = 'BRANCH_ERROR';

function faultsOf(error: Fault, jobs: NonNullable<File['jobs']>): Fault[] {
  if (error.code !== OF_BRANCHES) return [error];
  const ofBranches = jobs.flatMap((job) => (job.error === null || job.error.code === OF_BRANCHES ? [] : [job.error]));
  return ofBranches.length === 0 ? [error] : ofBranches;
}

function Faults({ faults }: { readonly faults: readonly Fault[] }) {
  const isToCorrect = faults.some(({ for_sender: { is_to_correct: mayHelp } }) => mayHelp);
  const heading = isToCorrect ? 'What to correct' : 'What happened';
  const texts = new Set(faults.map(({ for_sender: { text } }) => text));
  return (
    <section aria-label={heading} className="card stack">
      <h2>{heading}</h2>
      <div role="alert">
        {[...texts].map((text) => (
          <p key={text}>
            <PlainText>{text}</PlainText>
          </p>
        ))}
      </div>
      {isToCorrect && <Link href="/send">Send a corrected file</Link>}
    </section>
  );
}

export default function FileView() {
  const { id } = useParams<{ id: string }>();
  const file = useQuery({
    queryKey: ['file', id],
    queryFn: ({ signal }) => get<File>(`/api/v1/files/${id}`, { signal }),
    refetchInterval: whileThere(5_000),
  });
  const receipts = useQuery({
    queryKey: ['receipts', id, file.data?.status],
    queryFn: ({ signal }) => get<Receipts>(`/api/v1/files/${id}/receipt`, { signal }),
  });
  const isOpen = file.data?.finished_at === null;
  const found = useQuery({
    queryKey: ['file-records', id, file.data?.status],
    queryFn: ({ signal }) => get<{ readonly records: Counts | null }>('/status', { query: { file_id: id }, signal }),
    refetchInterval: isOpen ? 5_000 : false,
  });
  const { data: me } = useMe();
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
    <Fetched query={file} heading="File">
      {({ file_name, file_size, status, registered_at, error, jobs = [], downloads = [] }) => (
        <>
          <h1>
            <PlainText>{file_name}</PlainText>
          </h1>
          <p>
            <strong>
              <State status={status} />
            </strong>{' '}
            · {prettyBytes(file_size)} · <Time at={registered_at} /> ·{' '}
            <Copy text={location.href} label="Copy a link to this page" />
          </p>
          {error !== null && <Faults faults={faultsOf(error, jobs)} />}
          {jobs.length > 0 && (
            <ul aria-label="Steps">
              {placeJobs(jobs).map(({ job, depth }) => (
                <li key={job.job_id} style={{ marginInlineStart: `${Math.min(depth, 3)}rem` }}>
                  <PlainText>{jobName(job)}</PlainText>: {stepWordOf(job)}{' '}
                  {job.error !== null &&
                    job.error.code !== OF_BRANCHES &&
                    job.error.for_sender.text !== error?.for_sender.text && (
                      <PlainText>{job.error.for_sender.text}</PlainText>
                    )}
                </li>
              ))}
            </ul>
          )}
          {found.data?.records && (
            <p aria-label="Records">
              {countText(found.data.records.total)} records
              {recordWords(found.data.records).map((words) => `, ${words}`)}
            </p>
          )}
          <div className="row">
            {(Object.keys(TAKEN) as (keyof typeof TAKEN)[])
              .filter((what) => supportedTenant === undefined && downloads.includes(what))
              .filter((what) => me?.permissions.includes(TAKEN[what].takes))
              .map((what) => (
                <button key={what} type="button" onClick={() => void take(what)}>
                  {TAKEN[what].label}
                </button>
              ))}
          </div>
          {receipts.data !== undefined && receipts.data.receipts.length > 0 && (
            <section aria-label="Receipts" className="stack">
              <h2>Receipts</h2>
              <p>Signed statements of what happened to the file. Anyone can verify them, also later and elsewhere.</p>
              <ul>
                {receipts.data.receipts.map(({ seq, issued_at: at, jws }) => (
                  <li key={seq}>
                    Receipt {seq}, <Time at={at} />{' '}
                    <a href={`data:application/jose,${jws}`} download={`receipt-${seq}.jws`}>
                      Save
                    </a>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </>
      )}
    </Fetched>
  );
}
