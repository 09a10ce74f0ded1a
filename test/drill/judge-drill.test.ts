import { expect, test } from 'vitest';
import type { DrillOutcome } from './count-outcome.ts';
import type { DrillReport } from './drill-report.ts';
import { judgeDrill } from './judge-drill.ts';

type Judged = Omit<DrillReport, 'faults'>;

function outcome(acknowledged: number, more: Partial<DrillOutcome> = {}): DrillOutcome {
  const nothing = { missing: [], lost: [], twice: [], misjudged: [], repeated: 0, ambiguous: 1 };
  return { ...nothing, acknowledged, delivered: acknowledged, effects: 40, ...more };
}

const GOOD: Judged = {
  times: { nameMs: 400, uploadMs: 1_300, promotedMs: 10_700, completedMs: 11_300, wayBackMs: 26_000 },
  databaseRpoMs: 45,
  objectRpoMs: 0,
  unreplicated: [],
  resent: 3,
  awaited: 0,
  replayed: { events: 104, deadLetters: 20 },
  fenced: { role: 'follows', setAside: true, services: 0, refusal: '25006' },
  afterFailover: outcome(100, { missing: ['acme/small/1'], delivered: 99 }),
  afterReturn: outcome(100),
  afterReplay: outcome(100),
  afterWayBack: outcome(180, { effects: 70 }),
  violations: [],
};

test('a drill that shows all that it has to is good', () => {
  expect(judgeDrill(GOOD)).toEqual([]);
});

const PHASES = ['afterFailover', 'afterReturn', 'afterReplay', 'afterWayBack'] as const;
const spoilt = (name: (typeof PHASES)[number], more: Partial<DrillOutcome>): Judged => ({
  ...GOOD,
  [name]: { ...GOOD[name], ...more },
});

test.each([
  ...PHASES.flatMap((name) =>
    (['lost', 'twice', 'misjudged'] as const).map(
      (fault) => [`${fault} in ${name}`, spoilt(name, { [fault]: ['acme/small/1'] }), `1 ${fault}`] as const,
    ),
  ),
  ...PHASES.slice(1).map(
    (name) => [`missing in ${name}`, spoilt(name, { missing: ['acme/small/1'] }), '1 missing'] as const,
  ),
  ['no upload', spoilt('afterFailover', { acknowledged: 0 }), 'no upload was acknowledged before the return'],
  ['no delivery', spoilt('afterFailover', { delivered: 0 }), 'no file was delivered before the return'],
  ['no upload on the way back', spoilt('afterWayBack', { acknowledged: 100 }), 'on the way back'],
  ['no call', spoilt('afterFailover', { effects: 0 }), 'carried out no call'],
  ['an effect of the replay', spoilt('afterReplay', { effects: 41 }), 'the replay made 1 effects'],
  ['a home that writes', { ...GOOD, fenced: { ...GOOD.fenced, refusal: 'none' } }, 'refusal is none'],
  ['a home that leads', { ...GOOD, fenced: { ...GOOD.fenced, role: 'leads' } }, 'role is leads'],
  ['a home that runs services', { ...GOOD, fenced: { ...GOOD.fenced, services: 6 } }, 'services is 6'],
  ['a home on its old data', { ...GOOD, fenced: { ...GOOD.fenced, setAside: false } }, 'setAside is false'],
  ['an RPO that nobody saw', { ...GOOD, databaseRpoMs: Number.NaN }, 'databaseRpoMs was not seen'],
  [
    'no upload after the loss',
    { ...GOOD, times: { ...GOOD.times, uploadMs: Number.POSITIVE_INFINITY } },
    'uploadMs was not seen',
  ],
  ['no completed file', { ...GOOD, times: { ...GOOD.times, completedMs: Number.NaN } }, 'completedMs was not seen'],
  ['a replay of a part', { ...GOOD, replayed: { events: 99, deadLetters: 20 } }, '99 events were replayed'],
  ['no dead letter', { ...GOOD, replayed: { events: 104, deadLetters: 0 } }, 'no dead letter'],
  ['rows that contradict', { ...GOOD, violations: [{ rule: 'after the replay: x', rows: [{}] }] }, 'after the replay'],
] satisfies readonly (readonly [string, Judged, string])[])('a drill with %s is not good', (_name, report, fault) => {
  expect(judgeDrill(report)).toEqual([expect.stringContaining(fault)]);
});
