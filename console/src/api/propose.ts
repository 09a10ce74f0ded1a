/** A change that its reader may make, or propose to somebody who may. */
import type { ProposalDetail } from '#services/control-api/proposals/proposal-reply.ts';
import type { Permission } from '#shared/access/permissions.ts';
import { say } from '../parts/toast.tsx';
import { post } from './client.ts';
import { useMe, useRefusal } from './me.ts';

export interface MayChange {
  /** Why neither can be done, for the button. */
  readonly refusal: string | undefined;
  readonly isProposal: boolean;
}

export function useMayChange(permission: Permission): MayChange {
  const refusal = useRefusal(permission);
  const { data: me } = useMe();
  const isProposal = refusal !== undefined && me?.permissions.includes('proposals:make') === true;
  return { refusal: isProposal ? undefined : refusal, isProposal };
}

export interface ProposedChange {
  readonly method: 'PUT' | 'POST';
  readonly path: string;
  readonly body: object;
  readonly ifMatch?: string;
  readonly reason: string;
}

export async function propose({ ifMatch, ...change }: ProposedChange): Promise<void> {
  await post<ProposalDetail>('/api/v1/proposals', { ...change, ...(ifMatch !== undefined && { if_match: ifMatch }) });
  say('It is proposed. Nothing is changed until an admin approves it.');
}
