/** Who may sign in: invite, change the role, disable, end sessions. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { PeoplePage } from '#services/control-api/access/handle-people.ts';
import { get, post } from '../../api/client.ts';
import { useRefusal } from '../../api/me.ts';
import { Empty, Failed, Loading } from '../conditions.tsx';
import { CopyCommand } from '../copy-command.tsx';
import { type Column, Grid } from '../grid/grid.tsx';
import { Menu } from '../menu.tsx';
import { PlainText } from '../plain-text.tsx';
import { ReasonDialog } from '../reason-dialog.tsx';
import { Time } from '../time.tsx';
import { say } from '../toast.tsx';
import { InviteDialog } from './invite-dialog.tsx';
import { RoleDialog } from './role-dialog.tsx';

type Person = PeoplePage['people'][number];
type Act = 'disable' | 'enable' | 'end-sessions';
type Open = { readonly what: 'invite' } | { readonly what: Act | 'role'; readonly person: Person };

const WAYS = { mail: 'by mail', oidc: 'at the provider', link: 'by link of a key' } as const;
const DONE = {
  disable: 'Disabled: sessions end within 15 seconds. API keys continue; revoke those that the person has, in Keys.',
  enable: 'Enabled: the person may sign in again.',
  'end-sessions': 'Done. Sessions end within 15 seconds.',
} as const;
const VERBS = { disable: 'Disable', enable: 'Enable', 'end-sessions': 'End sessions' } as const;

export default function PeopleView() {
  const [open, setOpen] = useState<Open>();
  const refusal = useRefusal('people:manage');
  const pages = useInfiniteQuery({
    queryKey: ['people'],
    queryFn: ({ pageParam, signal }) =>
      get<PeoplePage>('/api/v1/people', { query: { cursor: pageParam, limit: 100 }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const rows = pages.data?.pages.flatMap(({ people }) => people) ?? [];
  const close = () => setOpen(undefined);
  const done = (text: string) => {
    say(text);
    void pages.refetch();
  };

  const columns: readonly Column<Person>[] = [
    { id: 'who', title: 'Person', width: 'minmax(200px, 2fr)', cell: (each) => <PlainText>{labelOf(each)}</PlainText> },
    {
      id: 'tenant',
      title: 'Tenant',
      width: '140px',
      cell: ({ tenant }) => <PlainText>{tenant ?? 'operator'}</PlainText>,
    },
    { id: 'role', title: 'Role', width: '120px', cell: ({ role }) => role },
    { id: 'way', title: 'Signs in', width: '140px', cell: ({ signs_in: way }) => WAYS[way] },
    { id: 'sessions', title: 'Sessions', width: '90px', isNumber: true, cell: ({ sessions }) => sessions },
    {
      id: 'last',
      title: 'Last signed in',
      width: '160px',
      cell: ({ last_signed_in_at: at }) => (at === null ? 'never' : <Time at={at} />),
    },
    {
      id: 'state',
      title: 'State',
      width: '110px',
      cell: ({ disabled_at: at }) => (at === null ? 'active' : '✕ disabled'),
    },
    {
      id: 'do',
      title: 'Change',
      width: '90px',
      cell: (person) => (
        <Menu
          label="⋯"
          name={`Change ${labelOf(person)}`}
          items={[
            {
              label: 'Change role…',
              refusal:
                refusal ?? (person.signs_in === 'mail' ? undefined : 'The role comes from the provider or the key.'),
              onSelect: () => setOpen({ what: 'role', person }),
            },
            {
              label: 'End sessions…',
              refusal: refusal ?? (person.sessions === 0 ? 'The person is not signed in.' : undefined),
              onSelect: () => setOpen({ what: 'end-sessions', person }),
            },
            person.disabled_at === null
              ? { label: 'Disable…', refusal, onSelect: () => setOpen({ what: 'disable', person }) }
              : { label: 'Enable…', refusal, onSelect: () => setOpen({ what: 'enable', person }) },
          ]}
        />
      ),
    },
  ];

  return (
    <>
      <div className="row">
        <h1>People</h1>
        <span className="grow" />
        <CopyCommand words={['people', 'list']} />
        <button
          type="button"
          className="primary"
          disabled={refusal !== undefined}
          title={refusal}
          onClick={() => setOpen({ what: 'invite' })}
        >
          Invite…
        </button>
      </div>
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 ? (
        <Empty title="Nobody yet.">
          <p>Operators come with their first sign-in; people of tenants are invited.</p>
        </Empty>
      ) : (
        <Grid
          label="People"
          columns={columns}
          rows={rows}
          rowId={({ person_id: id }) => id}
          rowName={labelOf}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
      {open?.what === 'invite' && <InviteDialog onClose={close} onDone={done} />}
      {open?.what === 'role' && <RoleDialog person={open.person} onClose={close} onDone={done} />}
      {open !== undefined && open.what !== 'invite' && open.what !== 'role' && (
        <ReasonDialog
          title={`${VERBS[open.what]}: ${labelOf(open.person)}`}
          verb={VERBS[open.what]}
          words={['people', open.what, open.person.person_id]}
          onClose={close}
          act={async (reason) => {
            await post(`/api/v1/people/${open.person.person_id}/${open.what}`, { reason });
            done(DONE[open.what as Act]);
          }}
        />
      )}
    </>
  );
}

function labelOf({ email, name }: Person): string {
  return email ?? name;
}
