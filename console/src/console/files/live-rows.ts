/** Rows of a list that change in place as the API says so; what is new is counted, and never moves the list. */
import { type InfiniteData, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import type { FileSummary } from '#services/control-api/files/file-summary.ts';
import type { FilePage } from '#services/control-api/files/find-files.ts';
import { get } from '../../api/client.ts';
import { useLive } from '../../api/live.ts';
import { idsOf, type Rows } from '../../parts/grid/paged-rows.ts';

const TINT_MS = 400;
const MOST_NEW = 1_000;

export function useLiveRows(filterKey: string, rows: Rows<FileSummary>, status: string | undefined) {
  const client = useQueryClient();
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [isMany, setIsMany] = useState(false);
  const [tinted, setTinted] = useState<ReadonlySet<string>>(new Set());
  const known = useMemo(() => new Set(idsOf(rows, ({ file_id: id }) => id)), [rows]);

  function clear(): void {
    setFresh(new Set());
    setIsMany(false);
  }
  useEffect(clear, [filterKey]);

  async function refresh(id: string): Promise<void> {
    const file = await get<FileSummary>(`/api/v1/files/${id}`, { headers: { 'x-longshore-background': '1' } });
    client.setQueryData<InfiniteData<FilePage>>(['files', filterKey], (data) => data && patch(data, file));
    setTinted((before) => new Set([...before, id]));
    setTimeout(() => setTinted((before) => new Set([...before].filter((each) => each !== id))), TINT_MS);
  }

  useLive((event) => {
    if (event.event === 'changed') {
      const { file_id: id, status: now } = event.data;
      if (known.has(id)) void refresh(id).catch(() => {});
      else if (
        (status === undefined || status.toLowerCase().split(',').includes(now.toLowerCase())) &&
        now !== 'companion'
      )
        setFresh((before) => (before.has(id) || before.size >= MOST_NEW ? before : new Set([...before, id])));
    } else if (event.event === 'many' && event.data.topic === 'files') {
      setIsMany(true);
      setFresh((before) => (before.size > 0 ? before : new Set(['many'])));
    } else if (event.event === 'asks' || event.event === 'reset')
      void client.invalidateQueries({ queryKey: ['files', filterKey] });
  });

  return { newCount: fresh.size, isMany, tinted, clear };
}

function patch(data: InfiniteData<FilePage>, file: FileSummary): InfiniteData<FilePage> {
  // Pages without it stay the same: else all their rows would be compared.
  const pages = data.pages.map((page) =>
    page.files.some(({ file_id: id }) => id === file.file_id)
      ? { ...page, files: page.files.map((row) => (row.file_id === file.file_id ? file : row)) }
      : page,
  );
  return { ...data, pages };
}
