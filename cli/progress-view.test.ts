import { expect, test } from 'vitest';
import { createProgressView, describeProgress, type Transfer } from './progress-view.ts';

const transfer = (overrides: Partial<Transfer> = {}): Transfer => ({
  job_id: 'j',
  purpose: 'deliver',
  state: 'COPYING',
  bytes_done: 210_000_000,
  bytes_total: 500_000_000,
  bytes_per_second: 85_300_000,
  seconds_left: 4,
  started_at: '2026-01-02T03:04:05.000Z',
  ...overrides,
});

function view(isTerminal: boolean, columns = 200) {
  let written = '';
  const made = createProgressView({
    isTerminal,
    columns,
    write: (text) => {
      written += text;
    },
  });
  return { ...made, written: () => written };
}

test.each([
  [{}, ' 42%  210 MB of 500 MB  85.3 MB/s  4 s left'],
  [{ bytes_per_second: 0, seconds_left: null }, ' 42%  210 MB of 500 MB'],
  [{ seconds_left: 3_725 }, ' 42%  210 MB of 500 MB  85.3 MB/s  1 h 2 min left'],
  [
    { bytes_done: 0, bytes_total: 5_497_558_138_880, seconds_left: 61 },
    '  0%  0 B of 5.5 TB  85.3 MB/s  1 min 1 s left',
  ],
  [
    { bytes_done: 500_000_000, seconds_left: null, state: 'COMPLETING' },
    '100%  500 MB of 500 MB  85.3 MB/s  completing',
  ],
  [{ bytes_total: null, seconds_left: null }, '210 MB  85.3 MB/s'],
  [{ bytes_done: 0, bytes_total: 0, bytes_per_second: 0, seconds_left: null }, '100%  0 B of 0 B'],
])('says how far %j is', (overrides, line) => {
  expect(describeProgress(transfer(overrides))).toBe(line);
});

test('in a terminal a bar for each copy that moves is drawn over the one before, and goes away', () => {
  const { show, clear, written } = view(true);
  show([transfer(), transfer({ purpose: 'archive', job_id: null }), transfer({ state: 'DONE' })]);
  expect(written().split('\n')).toHaveLength(3);
  expect(written()).toContain('deliver   ██████████░░░░░░░░░░░░░░  42%');
  show([transfer({ bytes_done: 400_000_000 })]);
  expect(written()).toContain('\u001b[2A\u001b[0Jdeliver');
  clear();
  expect(written().endsWith('\u001b[1A\u001b[0J')).toBe(true);
  const before = written();
  clear();
  expect(written()).toBe(before);
});

test('what has no known length has a bar that says so, and elsewhere a line whenever it has doubled', () => {
  const unknown = (bytesDone: number) => transfer({ bytes_total: null, seconds_left: null, bytes_done: bytesDone });
  const inTerminal = view(true);
  inTerminal.show([unknown(210_000_000)]);
  expect(inTerminal.written()).toBe(`deliver   ${'▒'.repeat(24)} 210 MB  85.3 MB/s\n`);
  const elsewhere = view(false);
  for (const megabytes of [10, 11, 20, 21, 70]) elsewhere.show([unknown(megabytes * 1_000_000)]);
  expect(elsewhere.written().match(/[\d.]+ MB(?= )/g)).toEqual(['10 MB', '20 MB', '70 MB']);
});

test('a bar is never wider than the terminal', () => {
  const { show, written } = view(true, 40);
  show([transfer()]);
  expect(written()).toHaveLength(40);
});

test('elsewhere a line is written whenever a tenth more is done', () => {
  const { show, written } = view(false);
  for (const share of [0.01, 0.05, 0.12, 0.13, 0.55, 0.55]) show([transfer({ bytes_done: 500_000_000 * share })]);
  expect(
    written()
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(0, 13)),
  ).toEqual(['deliver:   1%', 'deliver:  12%', 'deliver:  55%']);
  expect(written()).not.toContain('\u001b');
});
