/** How many branches run at once, which are given back, and when their parent is woken; the database is in `branches.test.ts`. */
import { describe, expect, test } from 'vitest';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';
import { until } from '#testkit/beds/job-runner.ts';
import type { AdvanceEnd } from './advance-job.ts';
import { type BranchesInHandOptions, createBranchesInHand } from './branches-in-hand.ts';
import type { TryRequest } from './try-step.ts';

const branchesNamed = (...names: string[]) => names.map((id) => ({ job: { id, branch: id } as ClaimedJob }));
const SUCCEEDED = {
  type: 'stored',
  move: 'succeeded',
  outcome: { type: 'succeeded' },
  outputs: { stage: { rows: 3 } },
} as unknown as AdvanceEnd;

function parentNamed(id: string): TryRequest {
  const never = new AbortController().signal;
  return { job: { id }, stop: never, lease: never, span: { traceparent: undefined } } as unknown as TryRequest;
}

interface Bed extends Pick<BranchesInHandOptions, 'spares' | 'patienceMs'> {
  readonly longestMs?: number;
}

/** Branches end when they are let. */
function startBed({ spares, longestMs = 60_000, patienceMs = 60_000 }: Bed) {
  const begun: string[] = [];
  const givenBack: string[] = [];
  const woken: string[] = [];
  const ends = new Map<string, (end: AdvanceEnd | undefined) => void>();
  const inHand = createBranchesInHand({
    ...{ spares, longestMs, patienceMs },
    runBranch({ job: { id } }, { stop }) {
      if (stop.aborted) {
        givenBack.push(`${id} ${stop.reason.code}`);
        return Promise.resolve(undefined);
      }
      begun.push(id);
      return new Promise((resolve) => ends.set(id, resolve));
    },
    wakeParent: async (id) => {
      woken.push(id);
    },
  });
  return {
    ...inHand,
    begun,
    givenBack,
    woken,
    end: (id: string, end: AdvanceEnd | undefined = SUCCEEDED) => ends.get(id)?.(end),
  };
}

describe('branches in hand', () => {
  test('without spares they take the slot of their parent, one after the other', async () => {
    const bed = startBed({ spares: 0 });
    const running = bed.run(parentNamed('p'), branchesNamed('a', 'b'), 0);
    expect(bed.begun).toEqual(['a']);
    bed.end('a');
    await until(() => bed.begun.length === 2);
    bed.end('b');
    const ended = await running;
    expect([...ended.values()].map(({ branch, state, outputs }) => [branch, state, outputs])).toEqual([
      ['a', 'SUCCEEDED', { stage: { rows: 3 } }],
      ['b', 'SUCCEEDED', { stage: { rows: 3 } }],
    ]);
    await bed.letGo('p');
    expect(bed.woken).toEqual([]);
  });

  test('spares are for all parents, and come back', async () => {
    const bed = startBed({ spares: 1 });
    const first = bed.run(parentNamed('p'), branchesNamed('a', 'b', 'c'), 0);
    const second = bed.run(parentNamed('q'), branchesNamed('d', 'e'), 0);
    expect(bed.begun).toEqual(['a', 'b', 'd']);
    for (const id of ['a', 'b', 'd']) bed.end(id);
    await until(() => bed.begun.length === 5);
    for (const id of ['c', 'e']) bed.end(id);
    await Promise.all([first, second]);
    void bed.run(parentNamed('r'), branchesNamed('f', 'g', 'h'), 0);
    expect(bed.begun.slice(5)).toEqual(['f', 'g']);
    for (const id of ['f', 'g', 'h']) bed.end(id);
  });

  test('branches of branches end even where no spare is left', async () => {
    const bed = startBed({ spares: 0 });
    const above = bed.run(parentNamed('p'), branchesNamed('q'), 0);
    const below = bed.run(parentNamed('q'), branchesNamed('a'), 0);
    bed.end('a');
    await below;
    bed.end('q');
    expect((await above).size).toBe(1);
  });

  test('one that has not begun in time is given back; it is none of those that ended here', async () => {
    const bed = startBed({ spares: 0, patienceMs: 20 });
    const running = bed.run(parentNamed('p'), branchesNamed('slow', 'b', 'c'), 0);
    await until(() => bed.givenBack.length === 2);
    expect(bed.givenBack).toEqual(['b BRANCH_GIVEN_BACK', 'c BRANCH_GIVEN_BACK']);
    expect(bed.begun).toEqual(['slow']);
    bed.end('slow');
    expect([...(await running).keys()]).toEqual(['slow']);
  });

  test('a parent that went on first is woken once, when the last has left', async () => {
    const bed = startBed({ spares: 2, longestMs: 20 });
    expect((await bed.run(parentNamed('p'), branchesNamed('a', 'b'), 0)).size).toBe(0);
    const gone = bed.letGo('p');
    bed.end('a');
    expect(bed.woken).toEqual([]);
    bed.end('b', undefined);
    await gone;
    expect(bed.woken).toEqual(['p']);
    await bed.letGo('p');
    expect(bed.woken).toEqual(['p']);
  });
});
