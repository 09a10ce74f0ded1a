/** One box for views, verbs and everything that one has in hand: ids, names, paths, checksums, business keys, request ids. */
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import type { SearchHit } from '#shared/api/search.ts';
import { get } from '../../api/client.ts';
import { Combobox } from '../../parts/combobox.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { visibleText } from '../../parts/plain-text.tsx';
import { useNamedViews } from '../views.ts';

/** As the API takes it. */
const SHORTEST = 3;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function Palette({ onClose }: { readonly onClose: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const q = useDeferredValue(text.trim());
  const { data } = useQuery({
    queryKey: ['search', q],
    queryFn: ({ signal }) => get<{ hits: readonly SearchHit[] }>('/api/v1/search', { query: { q }, signal }),
    enabled: q.length >= SHORTEST,
    placeholderData: (before) => before,
  });
  const views = new Map(useNamedViews().map(({ nav, path }) => [nav, path]));
  const hits = new Map((q.length < SHORTEST ? [] : (data?.hits ?? [])).map((hit) => [labelOf(hit), addressOf(hit)]));
  const isName = (name: string) => name.toLowerCase().includes(text.trim().toLowerCase());

  function go(chosen: string): void {
    const value = chosen.trim();
    if (value === '') return;
    onClose();
    const view = [...views].find(([name]) => name.toLowerCase() === value.toLowerCase())?.[1];
    const to = hits.get(chosen) ?? view;
    if (to !== undefined) void navigate({ to: to as string });
    else if (ID.test(value)) void navigate({ to: `/files/${value.toLowerCase()}` as string });
    else void navigate({ to: '/files', search: { name: value.includes('*') ? value : `*${value}*` } } as never);
  }

  return (
    <Dialog title="Go to" onClose={onClose}>
      <Combobox
        label="A view, or what you have: an id, a name, a path, a checksum, a business key, a request id"
        value={text}
        options={[...[...views.keys()].filter(isName), ...hits.keys()]}
        isFiltered
        leavesEscape
        onChange={setText}
        onCommit={go}
      />
    </Dialog>
  );
}

function labelOf({ kind, name, id, tenant, state, by, line }: SearchHit): string {
  const what = line === null ? (name ?? id) : `line ${line} of ${name ?? 'a job'}`;
  const words = [visibleText(what), tenant, state?.toLowerCase(), `by ${by.replace('-', ' ')}`, id.slice(0, 13)];
  return `${kind}: ${words.filter(Boolean).join(' · ')}`;
}

function addressOf({ kind, id, tenant, name, file_id: fileId, job_id: jobId }: SearchHit): string {
  switch (kind) {
    case 'record':
      return `/jobs/${jobId}/records`;
    case 'action':
      return `/actions/${id}`;
    case 'dead-letter':
      return `/queues?state=&letter=${id}`;
    case 'route':
      return `/routes/${encodeURIComponent(tenant ?? '')}/${encodeURIComponent(name ?? id)}`;
    case 'partner':
      return `/partners/${encodeURIComponent(tenant ?? '')}/${encodeURIComponent(name ?? id)}`;
    default:
      return `/files/${fileId ?? id}`;
  }
}
