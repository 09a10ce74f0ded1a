import { describe, expect, test } from 'vitest';
import { expectationDocumentSchema } from '#shared/definitions/expectation-schema.ts';
import { type ArrivedFile, type JudgeOptions, judgeOccurrence, type Occurrence } from './judge-occurrence.ts';

const at = (time: string) => Date.parse(`2026-11-30T${time}:00Z`);
const OPEN: Occurrence = {
  state: 'OPEN',
  opensMs: at('05:00'),
  dueMs: at('07:00'),
  closesMs: at('09:00'),
  isAtRisk: false,
  oddities: [],
};
const NO_HISTORY = { medianBytes: undefined, usualMs: undefined, previousHashes: [] };

const file = (time: string, changes: Partial<ArrivedFile> = {}): ArrivedFile => ({
  id: time,
  name: 'orders.csv',
  sizeBytes: 1_000,
  contentHash: null,
  atMs: at(time),
  ...changes,
});

function judge(definition: object, changes: Partial<JudgeOptions> & { now: string }) {
  const base = { kind: 'expectation', tenant: 'acme', name: 'orders', match: '**', due: { at: '07:00' } };
  return judgeOccurrence({
    occurrence: OPEN,
    expectation: expectationDocumentSchema.parse({ ...base, ...definition }),
    days: { timeZone: 'UTC' },
    files: [],
    history: NO_HISTORY,
    nowMs: at(changes.now),
    ...changes,
  });
}

describe('the state', () => {
  test('is open, late and missed as time passes, each said once', () => {
    expect(judge({}, { now: '06:00' })).toMatchObject({ state: 'OPEN', events: [] });
    expect(judge({}, { now: '07:00' })).toMatchObject({ state: 'LATE', events: ['late'] });
    const late = { ...OPEN, state: 'LATE' } as const;
    expect(judge({}, { now: '08:00', occurrence: late })).toMatchObject({ state: 'LATE', events: [] });
    expect(judge({}, { now: '09:00', occurrence: late })).toMatchObject({
      state: 'MISSED',
      events: ['missed'],
      nextLookMs: undefined,
    });
  });

  test('is met by the file that makes up the number, also where nobody looked for hours', () => {
    const count = { min: 2 };
    const files = [file('06:00'), file('06:59')];
    expect(judge({ count }, { now: '06:59', files: [file('06:00')] })).toMatchObject({ state: 'OPEN' });
    const verdict = judge({ count }, { now: '23:00', files });
    expect(verdict).toMatchObject({ state: 'MET', metMs: at('06:59'), events: ['met'], nextLookMs: undefined });
    expect(judge({ count }, { now: '08:30', files: [file('06:00'), file('08:00')] })).toMatchObject({
      state: 'MET_LATE',
    });
  });

  test('is at risk before its time, and later than usual', () => {
    const warn = { before: '30m', whenLaterThanUsual: true };
    expect(judge({ warn }, { now: '06:29' })).toMatchObject({ isAtRisk: false, nextLookMs: at('06:29') + 10_000 });
    expect(judge({ warn }, { now: '06:30' })).toMatchObject({ isAtRisk: true, events: ['at-risk'] });
    const history = { ...NO_HISTORY, usualMs: 30 * 60_000 };
    expect(judge({ warn }, { now: '05:30', history })).toMatchObject({ isAtRisk: false });
    expect(judge({ warn }, { now: '05:31', history })).toMatchObject({ isAtRisk: true });
    const occurrence = { ...OPEN, isAtRisk: true };
    expect(judge({ warn }, { now: '06:31', occurrence })).toMatchObject({ isAtRisk: true, events: [] });
    expect(judge({ warn }, { now: '06:31', files: [file('06:00')] })).toMatchObject({
      isAtRisk: false,
      events: ['met'],
    });
  });

  test('is looked at again no later than it can change', () => {
    const nowMs = at('07:00') - 3_000;
    expect(judge({}, { now: '06:59', nowMs }).nextLookMs).toBe(at('07:00'));
  });
});

describe('odd is', () => {
  const odd = (definition: object, files: ArrivedFile[], history = NO_HISTORY as JudgeOptions['history']) =>
    judge(definition, { now: '06:59', files, history }).oddities;

  test('a file too many', () => {
    expect(odd({ count: { max: 1 } }, [file('06:00')])).toEqual([]);
    expect(odd({ count: { max: 1 } }, [file('06:00'), file('06:01')])).toEqual(['TOO_MANY']);
  });

  test('a size out of bounds, or far from the usual one', () => {
    const size = { min: '1KB', max: '1MB', withinOfMedian: '50%' };
    const history = { ...NO_HISTORY, medianBytes: 10_000 };
    expect(odd({ size }, [file('06:00', { sizeBytes: 5_000 })], history)).toEqual([]);
    expect(odd({ size }, [file('06:00', { sizeBytes: 999 })])).toEqual(['TOO_SMALL']);
    expect(odd({ size }, [file('06:00', { sizeBytes: 1_000_001 })])).toEqual(['TOO_LARGE']);
    expect(odd({ size }, [file('06:00', { sizeBytes: 15_001 })], history)).toEqual(['UNUSUAL_SIZE']);
  });

  test('the content of the one before', () => {
    const history = { ...NO_HISTORY, previousHashes: ['sha256:1'] };
    expect(odd({}, [file('06:00', { contentHash: 'sha256:1' })], history)).toEqual(['SAME_CONTENT']);
    expect(odd({}, [file('06:00', { contentHash: 'sha256:2' })], history)).toEqual([]);
  });

  test.each([
    ['same-day', 'orders-2026-11-30.csv', []],
    ['same-day', 'orders_20261129.csv', ['OTHER_DATE']],
    ['same-day', '123420261130_1.csv', []],
    ['same-day', 'orders.csv', []],
    ['previous-business-day', 'orders-2026-11-29.csv', []],
    ['previous-business-day', 'orders-2026-11-30.csv', ['OTHER_DATE']],
  ])('%s in the name %s: %j', (dateInName, name, oddities) => {
    expect(odd({ dateInName }, [file('06:00', { name })])).toEqual(oddities);
  });

  test('said once, and once more for what is new', () => {
    const occurrence = { ...OPEN, oddities: ['TOO_SMALL'] };
    const size = { min: '2KB' };
    const files = [file('06:00')];
    expect(judge({ size }, { now: '06:10', occurrence, files }).events).not.toContain('odd');
    expect(
      judge({ size, count: { max: 1 } }, { now: '06:10', occurrence, files: [...files, file('06:01')] }),
    ).toMatchObject({
      oddities: ['TOO_SMALL', 'TOO_MANY'],
      events: expect.arrayContaining(['odd']),
    });
  });
});
