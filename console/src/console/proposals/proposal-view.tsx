/** One proposal: what it would change, who asks for it and why, and the decision of an admin. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { ProposalDetail } from '#services/control-api/proposals/proposal-reply.ts';
import type { Permission } from '#shared/access/permissions.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { DiffText } from '../../parts/diff/diff-text.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { ReasonDialog } from '../../parts/reason-dialog.tsx';
import { StateBadge } from '../../parts/state-badge.tsx';
import { Time } from '../../parts/time.tsx';
import { sayProblem } from '../../parts/toast.tsx';
import { badgeOf, changeText } from './change-text.ts';

export default function ProposalView() {
  const { id = '' } = useParams({ strict: false }) as { id?: string };
  const proposal = useQuery({
    queryKey: ['proposal', id],
    queryFn: ({ signal }) => get<ProposalDetail>(`/api/v1/proposals/${encodeURIComponent(id)}`, { signal }),
  });
  return (
    <Fetched query={proposal} heading="Proposal">
      {(found) => <ProposalPage proposal={found} />}
    </Fetched>
  );
}

function ProposalPage({ proposal }: { readonly proposal: ProposalDetail }) {
  const { proposal_id: id, state, check, customer_id: tenant } = proposal;
  const client = useQueryClient();
  const [isRejecting, setIsRejecting] = useState(false);
  const noApproval = useRefusal(permissionOf(proposal.path));
  const noRejection = useRefusal('proposals:make');
  const path = `/api/v1/proposals/${encodeURIComponent(id)}`;
  const refresh = () => client.invalidateQueries({ queryKey: ['proposal', id] });
  const approve = useMutation({
    mutationFn: () => post<ProposalDetail>(`${path}/approve`),
    onSuccess: (changed) => client.setQueryData(['proposal', id], changed),
    onError: (error) => {
      sayProblem(error);
      void refresh();
    },
  });
  return (
    <article className="stack">
      <div className="row">
        <h1>
          <PlainText>{sentence(changeText(proposal))}</PlainText>
        </h1>
        <StateBadge state={badgeOf(state)} />
        <span className="grow" />
        {state === 'OPEN' && (
          <>
            <button
              type="button"
              className="primary"
              disabled={noApproval !== undefined || check?.error != null || approve.isPending}
              title={noApproval}
              onClick={() => approve.mutate()}
            >
              Approve
            </button>
            <button
              type="button"
              disabled={noRejection !== undefined}
              title={noRejection}
              onClick={() => setIsRejecting(true)}
            >
              Reject…
            </button>
          </>
        )}
        <CopyCommand words={['proposals', 'show', id]} />
      </div>
      {check?.error != null && (
        <p role="alert">
          It cannot be made now: <PlainText>{check.error.message}</PlainText>
        </p>
      )}
      <dl>
        <dt>Proposed by</dt>
        <dd>
          <PlainText>{proposal.proposed_by}</PlainText>, <Time at={proposal.created_at} tenant={tenant} />
        </dd>
        <dt>Reason</dt>
        <dd>
          <PlainText>{proposal.reason}</PlainText>
        </dd>
        {state === 'OPEN' && (
          <>
            <dt>Can be approved until</dt>
            <dd>
              <Time at={proposal.expires_at} tenant={tenant} />
            </dd>
          </>
        )}
        {proposal.decided_by !== null && (
          <>
            <dt>{state === 'APPLIED' ? 'Approved by' : 'Rejected by'}</dt>
            <dd>
              <PlainText>{proposal.decided_by}</PlainText>, <Time at={proposal.decided_at} tenant={tenant} />
              {proposal.note !== null && (
                <>
                  : <PlainText>{proposal.note}</PlainText>
                </>
              )}
            </dd>
          </>
        )}
      </dl>
      <Changes proposal={proposal} />
      {isRejecting && (
        <ReasonDialog
          title={sentence(changeText(proposal))}
          verb="Reject"
          words={['proposals', 'reject', id]}
          onClose={() => setIsRejecting(false)}
          act={async (reason) => {
            await post(`${path}/reject`, { reason });
            await refresh();
          }}
        >
          <p>Nothing is changed, and the proposal ends.</p>
        </ReasonDialog>
      )}
    </article>
  );
}

function Changes({ proposal: { check, body } }: { readonly proposal: ProposalDetail }) {
  const diffs = Object.values(check?.would_apply ?? {}).flatMap((changes) =>
    Array.isArray(changes) ? changes.flatMap(({ diff }: { diff?: string }) => (diff ? [diff] : [])) : [],
  );
  if (diffs.length > 0)
    return (
      <section aria-label="What it would change" className="stack">
        <h2>What it would change</h2>
        {diffs.map((diff) => (
          <DiffText key={diff} diff={diff} />
        ))}
      </section>
    );
  if (body === null || body === '{}') return null;
  return (
    <section aria-label="Request" className="stack">
      <h2>Request</h2>
      <pre>
        <PlainText>{body}</PlainText>
      </pre>
    </section>
  );
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

/** What the change itself takes. */
function permissionOf(path: string): Permission {
  if (/\/(?:disable|enable)$/.test(path)) return 'access:change';
  return /\/(?:pause|resume|breaker)$/.test(path) ? 'partners:change' : 'definitions:apply';
}
