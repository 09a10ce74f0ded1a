/** Saves everything that matches as CSV, read page by page; at most 100,000 rows. */
import { useEffect, useRef, useState } from 'react';
import { problemOf } from '../../api/problem.ts';
import { countText } from '../time.tsx';
import { say, sayProblem } from '../toast.tsx';
import { type CsvCell, csvText } from './csv-text.ts';

const MOST_ROWS = 100_000;
const TOO_MANY_REQUESTS = 429;
const AGAIN_MS = 1_000;

interface CsvPage<Row> {
  readonly rows: readonly Row[];
  readonly next: string | null;
}

interface CsvButtonProps<Row> {
  /** Of the file, without its ending. */
  readonly name: string;
  readonly headings: readonly string[];
  readonly cellsOf: (row: Row) => readonly CsvCell[];
  readonly readPage: (cursor: string | undefined, signal: AbortSignal) => Promise<CsvPage<Row>>;
}

export function CsvButton<Row>({ name, headings, cellsOf, readPage }: CsvButtonProps<Row>) {
  const [read, setRead] = useState<number>();
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);

  async function save(): Promise<void> {
    stop.current = new AbortController();
    const { signal } = stop.current;
    const parts = [csvText([headings])];
    let cursor: string | undefined;
    let count = 0;
    setRead(0);
    try {
      do {
        const { rows, next } = await patiently(() => readPage(cursor, signal), signal);
        const taken = rows.slice(0, MOST_ROWS - count);
        parts.push(csvText(taken.map(cellsOf)));
        count += taken.length;
        cursor = next ?? undefined;
        setRead(count);
      } while (cursor !== undefined && count < MOST_ROWS);
      offer(new Blob(parts, { type: 'text/csv' }), `${name}.csv`);
      if (cursor !== undefined) say(`The first ${countText(count)} rows were saved: narrow the filter for the others.`);
    } catch (error) {
      if (!signal.aborted) sayProblem(error);
    } finally {
      setRead(undefined);
    }
  }

  return read === undefined ? (
    <button type="button" onClick={() => void save()}>
      Export CSV
    </button>
  ) : (
    <button type="button" onClick={() => stop.current?.abort()}>
      {countText(read)} rows read, stop
    </button>
  );
}

/** A long export is not to end because it asks more often than one may. */
async function patiently<Value>(ask: () => Promise<Value>, signal: AbortSignal): Promise<Value> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (problemOf(error).status !== TOO_MANY_REQUESTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function offer(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
