/** The versions of a route: who applied them, how their jobs ended, what changed, and a way back. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { VersionPage } from '#services/control-api/definitions/find-versions.ts';
import type { DefinitionDiff } from '#services/control-api/definitions/handle-versions.ts';
import { call, get } from '../../api/client.ts';
import { propose, useMayChange } from '../../api/propose.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { DiffText } from '../../parts/diff/diff-text.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { countText, Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import { useUrlState } from '../../parts/url-state.ts';

interface RouteVersionsProps {
  readonly tenant: string;
  readonly name: string;
  readonly path: string;
  readonly etag: string;
  readonly onChanged: () => void;
}

export function RouteVersions({ tenant, name, path, etag, onChanged }: RouteVersionsProps) {
  const [{ from, to }, change] = useUrlState();
  const [restoring, setRestoring] = useState<number>();
  const { refusal, isProposal } = useMayChange('definitions:apply');
  const versions = useInfiniteQuery({
    queryKey: ['route', path, etag, 'versions'],
    queryFn: ({ signal, pageParam }) => get<VersionPage>(`${path}/versions`, { signal, query: { cursor: pageParam } }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const diff = useQuery({
    queryKey: ['route', path, etag, 'diff', from, to],
    queryFn: ({ signal }) => get<DefinitionDiff>(`${path}/diff`, { signal, query: { from, to } }),
  });
  return (
    <>
      <Fetched query={versions}>
        {({ pages }) => (
          <table>
            <thead>
              <tr>
                <th>Version</th>
                <th>Applied</th>
                <th>By</th>
                <th>Recent jobs</th>
                <th>Failed</th>
                <th>
                  <span className="unseen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {pages
                .flatMap((page) => page.versions)
                .map(({ version, applied_at: at, applied_by: by, in_force: isInForce, recent_jobs: jobs }) => (
                  <tr key={version}>
                    <td>
                      {version} {isInForce && <strong>in force</strong>}
                    </td>
                    <td>
                      <Time at={at} tenant={tenant} />
                    </td>
                    <td>
                      <PlainText>{by}</PlainText>
                    </td>
                    <td>{jobs === undefined ? '–' : countText(jobs.total)}</td>
                    <td>{jobs === undefined ? '–' : shareText(jobs)}</td>
                    <td>
                      <button
                        type="button"
                        className="plain"
                        aria-label={`Show what version ${version} changed`}
                        onClick={() => change({ from: version > 1 ? String(version - 1) : '1', to: String(version) })}
                      >
                        Difference
                      </button>
                      {!isInForce && (
                        <button
                          type="button"
                          className="plain"
                          aria-label={`Restore version ${version}`}
                          disabled={refusal !== undefined}
                          title={refusal}
                          onClick={() => setRestoring(version)}
                        >
                          {isProposal ? 'Propose to restore…' : 'Restore…'}
                        </button>
                      )}
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        )}
      </Fetched>
      {versions.hasNextPage && (
        <button type="button" disabled={versions.isFetchingNextPage} onClick={() => void versions.fetchNextPage()}>
          More
        </button>
      )}
      <Fetched query={diff}>
        {(compared) => (
          <>
            <h2>
              Version {compared.from} to {compared.to}
            </h2>
            <DiffText diff={compared.diff} />
            <CopyCommand words={['routes', 'diff', `${tenant}/${name}`, String(compared.from), String(compared.to)]} />
          </>
        )}
      </Fetched>
      {restoring !== undefined && (
        <ReasonDialog
          title={`Restore version ${restoring}`}
          verb={isProposal ? 'Propose' : 'Restore'}
          words={['routes', 'restore', `${tenant}/${name}`, String(restoring), ...(isProposal ? ['--propose'] : [])]}
          onClose={() => setRestoring(undefined)}
          act={async (reason) => {
            const restore = `${path}/versions/${restoring}/restore`;
            if (isProposal) return await propose({ method: 'POST', path: restore, body: {}, ifMatch: etag, reason });
            await call('POST', restore, { body: { reason }, headers: { 'if-match': etag } });
            say(`The text of version ${restoring} is in force again.`);
            onChanged();
          }}
        >
          <p>
            Its text becomes the next version. Files that arrive from now on go by it; jobs that exist continue as they
            are.
          </p>
        </ReasonDialog>
      )}
    </>
  );
}

function shareText({ total, failed }: { readonly total: number; readonly failed: number }): string {
  if (total === 0) return '0';
  return `${countText(failed)} (${((100 * failed) / total).toFixed(failed === 0 ? 0 : 1)} %)`;
}
