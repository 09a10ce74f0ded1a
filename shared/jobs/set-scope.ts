/**
 * What the statement of a transition does besides: nothing, or it settles the items of an action along with the rows that it changes
 * (`shared/actions/action-scope.ts`), so that neither is there without the other.
 */
import type { Fragment, Sql } from '#shared/db/connect-database.ts';

export interface SetScope {
  /** CTEs in front of the transition's own, each with its comma. */
  readonly before: Fragment;
  /** A further condition on the ids of the rows, which begins with AND. */
  only(id: Fragment): Fragment;
  /** CTEs that read a query of the ids of the rows that were changed, each with its comma. */
  after(changed: Fragment): Fragment;
  /** Further rows of `event`, which begin with UNION ALL. */
  readonly events: Fragment;
}

export function noScope(sql: Sql): SetScope {
  return { before: sql``, only: () => sql``, after: () => sql``, events: sql`` };
}
