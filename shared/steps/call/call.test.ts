import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { createMemoryRecordStore, type MemoryRecordStore } from '#testkit/beds/memory-record-store.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import type { RecordResult } from '../record-store.ts';
import type { CallStepOptions } from './options.ts';
import { callStep } from './run.ts';

let bench: StepBench;
let records: MemoryRecordStore;
let object: ObjectLocation;

beforeAll(async () => {
  bench = await startStepBench();
  object = await bench.land('in/rfi.csv.gz', 'bytes');
});

beforeEach(() => {
  records = createMemoryRecordStore();
});

afterAll(async () => {
  await bench?.stop();
});

const layout = recordsSchema.parse({ format: 'csv', columns: [{ name: 'a' }] });
/** The options are for those who make the calls; the step asks for none. */
const kind = { kind: 'call', schema: z.custom<CallStepOptions>(), classOf: () => 'short' as const };

function call({ failJobAt = 1, parsed = {}, key = object.key, signal = new AbortController().signal } = {}) {
  return runStep(bench, {
    step: callStep,
    kind,
    object,
    key,
    outputs: { parse: parsed },
    records: { layout, failJobAt, store: records },
    signal,
  });
}

const RESULTS = { bucket: 'test-outbound', key: 'acme/results/in/rfi.csv' };

function ended(line: number, state: string, more: Partial<RecordResult> = {}): RecordResult {
  const failure =
    state === 'FAILED' ? { code: 'VALIDATION_ERROR', cause: 'HTTP_503', message: 'The partner answered 503.' } : {};
  return {
    line,
    businessKey: null,
    state,
    code: null,
    cause: null,
    message: null,
    reference: null,
    ...failure,
    ...more,
  };
}

describe('call', () => {
  it('opens the records and waits until the last one has ended', async () => {
    records.openRecords = 3;
    await expect(call()).resolves.toEqual({ type: 'wait', afterMs: 300_000, reason: 'RECORDS' });
    expect(records.opened).toBe(1);
    expect((await bench.store.listVersions({ bucket: RESULTS.bucket })).items).toEqual([]);
  });

  it('opens nothing of a held file before it was released', async () => {
    await expect(call({ parsed: { held: true } })).resolves.toEqual({
      type: 'wait',
      afterMs: 86_400_000,
      reason: 'HELD',
    });
    expect(records.opened).toBe(0);
    records.released = true;
    await expect(call({ parsed: { held: true } })).resolves.toMatchObject({ type: 'succeeded' });
    expect(records.opened).toBe(1);
  });

  it('writes what became of each row, rejected ones too, with no formula in it', async () => {
    await records.insert([
      { line: 3, businessKey: null, values: null, rejected: { cause: 'COLUMN_TYPE', message: 'It is "=1+1".' } },
    ]);
    records.ended.push(
      ended(2, 'SUCCESS', { businessKey: '["k1"]', reference: '=cmd|x' }),
      ended(4, 'FAILED', { businessKey: '["a","b,c"]', message: 'He said "no",\nand left.' }),
      ended(5, 'AMBIGUOUS', { businessKey: '["-5"]', code: 'BOOKING_ERROR', cause: 'EFFECT_UNKNOWN', message: '@all' }),
    );
    const outcome = await call();
    expect(outcome).toEqual({
      type: 'succeeded',
      output: {
        records: {
          byState: { SUCCESS: 1, REJECTED: 1, FAILED: 1, AMBIGUOUS: 1 },
          byCode: { 'PARSE_ERROR COLUMN_TYPE': 1, 'VALIDATION_ERROR HTTP_503': 1, 'BOOKING_ERROR EFFECT_UNKNOWN': 1 },
          durationMs: 1,
        },
        results: { ...RESULTS, versionId: expect.any(String) },
      },
    });
    expect((await bench.read(RESULTS)).toString()).toBe(
      [
        '"line","key","state","code","cause","message","reference"',
        `"2","k1","SUCCESS","","","","'=cmd|x"`,
        '"3","","REJECTED","PARSE_ERROR","COLUMN_TYPE","It is ""=1+1"".",""',
        '"4","[""a"",""b,c""]","FAILED","VALIDATION_ERROR","HTTP_503","He said ""no"",\nand left.",""',
        `"5","'-5","AMBIGUOUS","BOOKING_ERROR","EFFECT_UNKNOWN","'@all",""`,
        '',
      ].join('\r\n'),
    );
  });

  it('writes page after page, and the same bytes again', async () => {
    records.ended.push(...Array.from({ length: 12_000 }, (_, index) => ended(index + 2, 'SUCCESS')));
    await call();
    const first = await bench.read(RESULTS);
    await call();
    expect(first.equals(await bench.read(RESULTS))).toBe(true);
    const lines = first.toString().match(/^"\d+"/gm);
    expect(lines).toEqual(Array.from({ length: 12_000 }, (_, index) => `"${index + 2}"`));
  });

  it.each([
    [1, 0, 0, 5, 'succeeded'],
    [1, 4, 1, 5, 'succeeded'],
    [1, 5, 0, 5, 'failed'],
    [1, 4, 0, 4, 'failed'],
    [0.5, 1, 0, 2, 'failed'],
    [0.5, 1, 0, 3, 'succeeded'],
    [1.1 / 100, 11, 0, 1_000, 'failed'],
    [0.0001, 0, 3, 10, 'succeeded'],
  ])('at a share of %d, with %i failed and %i rejected besides %i carried, has %s', async (...given) => {
    const [failJobAt, failed, rejected, carried, type] = given;
    const states = [
      ...Array<string>(failed).fill('FAILED'),
      ...Array<string>(carried - failed).fill('SUCCESS'),
      ...Array<string>(rejected).fill('REJECTED'),
    ];
    records.ended.push(...states.map((state, index) => ended(index + 1, state)));
    const outcome = await call({ failJobAt });
    expect(outcome).toMatchObject({ type, output: { results: RESULTS, records: { byState: expect.anything() } } });
    if (type === 'failed') {
      expect(outcome).toMatchObject({ code: 'RECORDS_ERROR', cause: 'RECORDS_FAILED' });
      expect(outcome).toHaveProperty('message', expect.stringContaining(`${failed} of ${carried} records`));
    }
  });

  it('succeeds with a file whose rows were all rejected', async () => {
    await records.insert([
      { line: 1, businessKey: null, values: null, rejected: { cause: 'COLUMN_TYPE', message: '' } },
    ]);
    await expect(call({ failJobAt: 0.01 })).resolves.toMatchObject({ type: 'succeeded' });
  });

  it('fails for a name that no key may have, before a record is opened', async () => {
    await expect(call({ key: 'acme/in/a\u202eb.csv' })).resolves.toMatchObject({
      type: 'failed',
      cause: 'KEY_REJECTED',
    });
    expect(records.opened).toBe(0);
  });

  it('is tried again when it was stopped, with no upload left open', async () => {
    await expect(call({ signal: AbortSignal.abort() })).resolves.toMatchObject({
      type: 'retry',
      cause: 'STEP_ABORTED',
    });
    expect(await bench.openUploads()).toBe(0);
  });
});
