/** Which statements bring the row of a branch, and under which lease it works meanwhile; the database is in `branches.test.ts`. */
import { expect, test } from 'vitest';
import { LongshoreError } from '#shared/errors.ts';
import type { StoredOutcome } from '#shared/jobs/store-outcomes.ts';
import type { OutcomeStored } from './job-commits.ts';
import { afterRow, createUnwrittenBranch } from './unwritten-branch.ts';

const STORED = { type: 'stored' } as OutcomeStored;
const OUTCOME = { jobId: 'a' } as StoredOutcome;

/** Statements end when they are let. */
function startBed() {
  const statements: { readonly what: string; end: (result: unknown) => void; fail: (error: Error) => void }[] = [];
  const held: { readonly askedAtMs: number; readonly own: AbortController; isReleased: boolean; isSettled: boolean }[] =
    [];
  const parent = new AbortController();
  const statement = <Result>(what: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    statements.push({ what, end: (result) => resolve(result as Result), fail: reject });
    return promise;
  };
  const branch = createUnwrittenBranch({
    row: { branch: 'a' } as never,
    lease: parent.signal,
    writeRow: () => statement('row'),
    storeOutcome: (outcome) => statement(outcome.branch === undefined ? 'outcome' : 'outcome and row'),
    hold(askedAtMs) {
      const lease = { askedAtMs, own: new AbortController(), isReleased: false, isSettled: false };
      held.push(lease);
      return {
        signal: lease.own.signal,
        settle: () => {
          lease.isSettled = true;
        },
        extend: () => {},
        release: () => {
          lease.isReleased = true;
        },
      };
    },
  });
  return { branch, statements, held, parent, asked: () => statements.map(({ what }) => what) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the first outcome brings the row, the next ones do not', async () => {
  const { branch, statements, asked } = startBed();
  for (const index of [0, 1]) {
    const storing = branch.storeOutcome(OUTCOME);
    await turn();
    statements[index]?.end(STORED);
    expect(await storing).toBe(STORED);
  }
  expect(asked()).toEqual(['outcome and row', 'outcome']);
});

test('an outcome that is refused brings no row: the one in its place does', async () => {
  const { branch, statements, asked } = startBed();
  const refused = branch.storeOutcome(OUTCOME);
  statements[0]?.end({ type: 'refused' });
  await refused;
  void branch.storeOutcome(OUTCOME);
  await turn();
  expect(asked()).toEqual(['outcome and row', 'outcome and row']);
});

test('a row is written once, and an outcome meanwhile waits for it', async () => {
  const { branch, statements, held, asked } = startBed();
  const writing = [branch.write(), branch.write()];
  const storing = branch.storeOutcome(OUTCOME);
  await turn();
  expect(asked()).toEqual(['row']);
  statements[0]?.end(7);
  await Promise.all(writing);
  await turn();
  expect(asked()).toEqual(['row', 'outcome']);
  statements[1]?.end(STORED);
  await storing;
  expect(held.map(({ askedAtMs }) => askedAtMs)).toEqual([7]);
});

test('a row is not written while an outcome brings it', async () => {
  const { branch, statements, asked } = startBed();
  const storing = branch.storeOutcome(OUTCOME);
  const writing = branch.write();
  statements[0]?.end(STORED);
  await Promise.all([storing, writing]);
  expect(asked()).toEqual(['outcome and row']);
});

test('it works under the lease of its parent, then under its own', async () => {
  const { branch, statements, held, parent } = startBed();
  const { lease } = branch;
  lease.settle();
  expect(held).toEqual([]);
  const writing = branch.write();
  statements[0]?.end(7);
  await writing;
  lease.settle();
  expect(held[0]?.isSettled).toBe(true);
  held[0]?.own.abort(new LongshoreError('LEASE_LOST', 'It was taken over.'));
  expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
  lease.release();
  expect(held[0]?.isReleased).toBe(true);

  const other = startBed();
  other.parent.abort('lost');
  expect(other.branch.lease.signal.reason).toBe('lost');
  expect(parent.signal.aborted).toBe(false);
});

test('a log makes sure of the row before each of its calls, and fails where there is none to be had', async () => {
  const { branch, statements, asked } = startBed();
  const calls: unknown[] = [];
  const log = afterRow({ begin: async (part: number) => calls.push(part) }, branch);
  const begun = log.begin(3);
  await turn();
  expect([calls, asked()]).toEqual([[], ['row']]);
  statements[0]?.fail(new LongshoreError('LEASE_LOST', 'It is another’s.'));
  await expect(begun).rejects.toMatchObject({ code: 'LEASE_LOST' });
  const again = log.begin(4);
  await turn();
  statements[1]?.end(1);
  await again;
  await log.begin(5);
  expect([calls, asked()]).toEqual([
    [4, 5],
    ['row', 'row'],
  ]);
  const issue = afterRow(async (statement: object) => statement, branch);
  expect(await issue({ of: 1 })).toEqual({ of: 1 });
});
