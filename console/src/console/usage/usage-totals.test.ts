import { expect, test } from 'vitest';
import { totalsOf } from './usage-totals.ts';

const day = (tenant: string, date: string, files: number) => ({
  ...{ tenant, day: date, files, bytes: files * 10, records: files * 2, mails: 1, calls: 3 },
});

test('days are added up by tenant, and who used most comes first', () => {
  const days = [day('acme', '2026-01-01', 2), day('globex', '2026-01-01', 9), day('acme', '2026-01-02', 3)];
  expect(totalsOf(days)).toEqual([
    { tenant: 'globex', files: 9, bytes: 90, records: 18, mails: 1, calls: 3 },
    { tenant: 'acme', files: 5, bytes: 50, records: 10, mails: 2, calls: 6 },
  ]);
  expect(totalsOf([])).toEqual([]);
});
