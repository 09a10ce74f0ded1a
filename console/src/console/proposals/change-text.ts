/** A proposed request in words, such as `pause partner acme/desk`, and its state. */
import type { Proposal } from '#services/control-api/proposals/proposal-reply.ts';

/** `open` is the state of a breaker, which is bad. */
export function badgeOf(state: Proposal['state']): string {
  return state === 'OPEN' ? 'awaiting_approval' : state;
}

export function changeText({ path }: Pick<Proposal, 'path'>): string {
  const [plural = '', tenant, name, ...rest] = path.split('/').slice(3);
  if (tenant === undefined || name === undefined) return 'apply a route file';
  const thing = `${plural.replace(/s$/, '')} ${tenant}/${name}`;
  if (rest[0] === 'versions') return `bring back version ${rest[1]} of ${thing}`;
  if (rest[0] === 'breaker') return `change the breaker of ${thing}`;
  return `${rest[0] ?? 'apply'} ${thing}`;
}
