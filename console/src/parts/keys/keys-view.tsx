/** API keys: made and shown once, turned, revoked. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { KeysPage } from '#services/control-api/access/handle-keys.ts';
import type { Scope } from '#shared/access/scopes.ts';
import { get, post } from '../../api/client.ts';
import { useMe, useRefusal } from '../../api/me.ts';
import { Empty, Failed, Loading } from '../conditions.tsx';
import { Copy, CopyCommand } from '../copy-command.tsx';
import { Dialog } from '../dialog.tsx';
import { FormDialog, OF_OPERATORS, OF_TENANTS, RoleField } from '../form-dialog.tsx';
import { type Column, Grid } from '../grid/grid.tsx';
import { Menu } from '../menu.tsx';
import { PlainText } from '../plain-text.tsx';
import { Time } from '../time.tsx';
import { say } from '../toast.tsx';

type Key = KeysPage['keys'][number];
type Open =
  | { readonly what: 'make' }
  | { readonly what: 'rotate' | 'revoke'; readonly of: Key }
  | { readonly what: 'made'; readonly key: string };

const OVERLAP_HOURS = 24;
const DAY_MS = 86_400_000;
const MOST_DAYS = 3_650;
const STATES = { active: 'active', expired: '✕ expired', revoked: '✕ revoked' };
/** Each of the server's: the compiler says which one is missing. */
const SCOPES = Object.keys({
  'campaigns:read': true,
  'campaigns:write': true,
  'templates:write': true,
  'suppressions:write': true,
  'files:read': true,
  'files:write': true,
} satisfies Record<Scope, true>) as Scope[];

export default function KeysView() {
  const [open, setOpen] = useState<Open>();
  const refusal = useRefusal('keys:manage');
  const pages = useInfiniteQuery({
    queryKey: ['keys'],
    queryFn: ({ pageParam, signal }) =>
      get<KeysPage>('/api/v1/keys', { query: { cursor: pageParam, limit: 100 }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  });
  const rows = pages.data?.pages.flatMap(({ keys }) => keys) ?? [];
  const close = () => setOpen(undefined);
  const show = (key: string) => {
    setOpen({ what: 'made', key });
    void pages.refetch();
  };

  const columns: readonly Column<Key>[] = [
    { id: 'label', title: 'Label', width: 'minmax(160px, 2fr)', cell: ({ label }) => <PlainText>{label}</PlainText> },
    {
      id: 'tenant',
      title: 'Tenant',
      width: '140px',
      cell: ({ tenant }) => <PlainText>{tenant ?? 'operator'}</PlainText>,
    },
    { id: 'role', title: 'Role', width: '120px', cell: ({ role }) => role },
    {
      id: 'scopes',
      title: 'Scopes',
      width: 'minmax(120px, 1fr)',
      cell: ({ scopes }) => scopes?.join(', ') ?? 'all of its role',
    },
    { id: 'made', title: 'Made', width: '160px', cell: ({ created_at: at }) => <Time at={at} /> },
    { id: 'used', title: 'Last used', width: '160px', cell: ({ last_used_at: at }) => timeOr(at, 'never') },
    { id: 'ends', title: 'Expires', width: '160px', cell: ({ expires_at: at }) => timeOr(at, 'never') },
    {
      id: 'state',
      title: 'State',
      width: '110px',
      cell: (key) => STATES[stateOf(key)],
    },
    {
      id: 'do',
      title: 'Change',
      width: '90px',
      cell: (key) => {
        const state = stateOf(key);
        const gone = state === 'revoked' ? 'The key is revoked.' : undefined;
        const expired = state === 'expired' ? 'The key has expired: make a new one.' : undefined;
        return (
          <Menu
            label="⋯"
            name={`Change ${key.label}`}
            items={[
              {
                label: 'Make a successor…',
                refusal: refusal ?? gone ?? expired,
                onSelect: () => setOpen({ what: 'rotate', of: key }),
              },
              { label: 'Revoke…', refusal: refusal ?? gone, onSelect: () => setOpen({ what: 'revoke', of: key }) },
            ]}
          />
        );
      },
    },
  ];

  return (
    <>
      <div className="row">
        <h1>Keys</h1>
        <span className="grow" />
        <CopyCommand words={['keys', 'list']} />
        <button
          type="button"
          className="primary"
          disabled={refusal !== undefined}
          title={refusal}
          onClick={() => setOpen({ what: 'make' })}
        >
          Make a key…
        </button>
      </div>
      {pages.data === undefined ? (
        pages.error === null ? (
          <Loading />
        ) : (
          <Failed error={pages.error} onRetry={() => void pages.refetch()} />
        )
      ) : rows.length === 0 ? (
        <Empty title="No key yet." />
      ) : (
        <Grid
          label="Keys"
          columns={columns}
          rows={rows}
          rowId={({ key_id: id }) => id}
          rowName={({ label }) => label}
          hasMore={pages.hasNextPage}
          onMore={() => void pages.fetchNextPage()}
          isFetching={pages.isFetching}
        />
      )}
      {open?.what === 'make' && <MakeDialog onClose={close} onMade={show} />}
      {open?.what === 'rotate' && (
        <FormDialog
          title={`Successor of ${open.of.label}`}
          verb="Make a successor"
          words={['keys', 'rotate', open.of.key_id]}
          isReady
          onClose={close}
          act={async () => {
            const path = `/api/v1/keys/${open.of.key_id}/rotate`;
            show((await post<{ key: string }>(path, { overlap_hours: OVERLAP_HOURS })).key);
          }}
        >
          <p>
            It has the same label, role, scopes and length of life. The old key still works for {OVERLAP_HOURS} hours.
          </p>
        </FormDialog>
      )}
      {open?.what === 'revoke' && (
        <FormDialog
          title={`Revoke ${open.of.label}`}
          verb="Revoke"
          words={['keys', 'revoke', open.of.key_id]}
          isReady
          onClose={close}
          act={async () => {
            await post(`/api/v1/keys/${open.of.key_id}/revoke`);
            say('The key is revoked. It stops working within a minute.');
            void pages.refetch();
            close();
          }}
        >
          <p>What uses it stops working within a minute. It cannot be taken back.</p>
        </FormDialog>
      )}
      {open?.what === 'made' && (
        <Dialog
          title="The new key"
          onClose={close}
          actions={
            <>
              <Copy text={open.key} label="Copy the key" className="primary" />
              <button type="button" onClick={close}>
                I have stored it
              </button>
            </>
          }
        >
          <p>It is shown this once. Store it now.</p>
          <p>
            <code>{open.key}</code>
          </p>
        </Dialog>
      )}
    </>
  );
}

function MakeDialog({ onClose, onMade }: { readonly onClose: () => void; readonly onMade: (key: string) => void }) {
  const own = useMe().data?.tenant ?? null;
  const [typed, setTenant] = useState('');
  const tenant = own ?? typed;
  const [label, setLabel] = useState('');
  const [chosen, setRole] = useState('viewer');
  const [scopes, setScopes] = useState<readonly Scope[]>([]);
  const [days, setDays] = useState('');
  const roles = tenant.trim() === '' ? OF_OPERATORS : OF_TENANTS;
  const role = roles.includes(chosen) ? chosen : (roles[0] ?? '');
  const whose = tenant.trim() === '' ? ['--operator'] : ['--tenant', tenant.trim()];
  return (
    <FormDialog
      title="Make a key"
      verb="Make"
      words={[
        'keys',
        'create',
        ...whose,
        '--label',
        label || 'LABEL',
        '--role',
        role,
        ...(scopes.length > 0 ? ['--scope', ...scopes] : []),
        ...(days === '' ? [] : ['--expires', days]),
      ]}
      isReady={label.trim() !== ''}
      onClose={onClose}
      act={async () => {
        const body = {
          ...{ tenant: tenant.trim() || null, label: label.trim(), role },
          ...(scopes.length > 0 && { scopes }),
          ...(days !== '' && { expires_at: new Date(Date.now() + Number(days) * DAY_MS).toISOString() }),
        };
        onMade((await post<{ key: string }>('/api/v1/keys', body)).key);
      }}
    >
      <label>
        What it is for{' '}
        <input value={label} maxLength={100} required onChange={(event) => setLabel(event.target.value)} />
      </label>
      {own === null && (
        <label>
          Tenant, empty for a key of operators{' '}
          <input value={tenant} maxLength={128} onChange={(event) => setTenant(event.target.value)} />
        </label>
      )}
      <RoleField role={role} roles={roles} onChange={setRole} />
      <label>
        Expires after days, empty for never{' '}
        <input
          type="number"
          min={1}
          max={MOST_DAYS}
          step={1}
          value={days}
          onChange={(event) => setDays(event.target.value)}
        />
      </label>
      <fieldset>
        <legend>Only these scopes; with none, all that the role allows</legend>
        <div className="row">
          {SCOPES.map((scope) => (
            <label key={scope}>
              <input
                type="checkbox"
                checked={scopes.includes(scope)}
                onChange={({ target }) =>
                  setScopes(SCOPES.filter((each) => (each === scope ? target.checked : scopes.includes(each))))
                }
              />{' '}
              {scope}
            </label>
          ))}
        </div>
      </fieldset>
    </FormDialog>
  );
}

function stateOf({ revoked_at: revoked, expires_at: expires }: Key): keyof typeof STATES {
  if (revoked !== null) return 'revoked';
  return expires !== null && Date.parse(expires) <= Date.now() ? 'expired' : 'active';
}

function timeOr(at: string | null, word: string) {
  return at === null ? word : <Time at={at} />;
}
