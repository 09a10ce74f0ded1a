import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { type ValidateOptions, validateOptions } from './options.ts';
import { validateStep } from './run.ts';

let bench: StepBench;

beforeAll(async () => {
  bench = await startStepBench();
});

afterAll(async () => {
  await bench?.stop();
});

async function validate(path: string, body: Uint8Array | string, options: unknown, elapsedMs = 0) {
  const object = await bench.land(path, body);
  const receivedAt = new Date('2026-01-02T03:04:05Z');
  const now = new Date(receivedAt.getTime() + elapsedMs);
  return await runStep<ValidateOptions>(bench, {
    step: validateStep,
    kind: validateOptions,
    options,
    object,
    receivedAt,
    now,
  });
}

describe('validate', () => {
  it.each([
    ['FILE_EMPTY', '', { allowEmpty: false }],
    ['FILE_TOO_SMALL', 'abc', { minSize: 4 }],
    ['FILE_TOO_LARGE', 'abc', { maxSize: '2B' }],
    ['NAME_MISMATCH', 'abc', { namePattern: 'orders-\\d{8}\\.csv' }],
    ['CSV_HEADER_MISMATCH', 'id,sum\n', { csv: { header: ['id', 'amount'] } }],
    ['CSV_COLUMN_COUNT', 'id\n', { csv: { columns: 2 } }],
    ['CSV_COLUMN_COUNT', 'id,amount\n1,2\n3\n', { csv: { everyRow: true } }],
    ['CSV_HEADER_DUPLICATE', 'id,id\n', { csv: null }],
    ['CSV_HEADER_MISSING', '\n\n', { csv: null }],
    ['CSV_HEADER_MISSING', '', { csv: { header: ['id', 'amount'] } }],
    ['CSV_HEADER_MISSING', '', { csv: { columns: 2, everyRow: true } }],
    ['CSV_QUOTE', 'id,amount\n1,2"\n', { csv: { everyRow: true } }],
    ['CSV_DELIMITER', 'id;amount\n', { csv: { header: ['id', 'amount'] } }],
    ['CSV_NUL', 'id,amount\n1,\0\n', { csv: { everyRow: true } }],
    ['CSV_ENCODING', Buffer.from('ä,b\n', 'latin1'), { csv: null }],
    ['CSV_QUOTE', 'id,"amount\n1,2\n', { csv: null }],
    ['CSV_RECORD_TOO_LONG', `id,${'x'.repeat(2_000)}\n`, { csv: { maxRecordBytes: 1_000 } }],
  ])('fails with %s', async (cause, body, options) => {
    const outcome = await validate('inbound/x.csv', body, options);
    expect(outcome).toMatchObject({
      type: 'failed',
      code: 'VALIDATION_ERROR',
      cause,
      message: expect.stringMatching(/\w/),
    });
  });

  it.each([
    ['an empty file by default', '', { csv: null, minSize: 10 }],
    ['an empty file where the route says so', '', { csv: { header: ['id'] }, allowEmpty: true }],
    ['bounds that are just met', 'abcd', { minSize: 4, maxSize: '4B' }],
    ['a name that fits', 'x', { namePattern: 'x\\.csv' }],
    ['a header, and nothing said of the rows', 'id,amount\n1\n', { csv: { header: ['id', 'amount'] } }],
    ['every row', 'id;amount\r\n"1;2";3\r\n', { csv: { delimiter: ';', columns: 2, everyRow: true } }],
  ])('passes %s', async (_what, body, options) => {
    await expect(validate('inbound/x.csv', body, options)).resolves.toMatchObject({ type: 'succeeded' });
  });

  it('reads no more of a large file than its header takes', async () => {
    const body = Buffer.concat([Buffer.from('id,amount\n'), randomBytes(6 * 1024 ** 2)]);
    await expect(validate('big.csv', body, { csv: { header: ['id', 'amount'] } })).resolves.toMatchObject({
      type: 'succeeded',
    });
  });

  it('waits for a marker, longer each time, and fails when its time is over', async () => {
    const options = { marker: { waitUpTo: '10m' } };
    await expect(validate('m1.csv', 'x', options)).resolves.toMatchObject({ type: 'wait', afterMs: 1_000 });
    await expect(validate('m1.csv', 'x', options, 8_000)).resolves.toMatchObject({ type: 'wait', afterMs: 8_000 });
    await expect(validate('m1.csv', 'x', options, 120_000)).resolves.toMatchObject({ type: 'wait', afterMs: 30_000 });
    await expect(validate('m1.csv', 'x', options, 599_000)).resolves.toMatchObject({ type: 'wait', afterMs: 1_000 });
    await expect(validate('m1.csv', 'x', options, 600_000)).resolves.toMatchObject({
      type: 'failed',
      cause: 'MARKER_MISSING',
    });
    await bench.land('m1.csv.done', '');
    await expect(validate('m1.csv', 'x', options, 600_000)).resolves.toMatchObject({ type: 'succeeded' });
  });

  it('checks the sidecar as sha256sum writes it', async () => {
    const body = randomBytes(5_000);
    const hash = createHash('sha256').update(body).digest('hex');
    const options = { checksumSidecar: null };
    await expect(validate('s.gz', body, options)).resolves.toMatchObject({ type: 'wait' });
    await expect(validate('s.gz', body, options, 3_600_000)).resolves.toMatchObject({
      cause: 'CHECKSUM_SIDECAR_MISSING',
    });
    for (const text of [`${hash}  s.gz\n`, hash.toUpperCase(), `\\${hash} *s.gz`]) {
      await bench.land('s.gz.sha256', text);
      await expect(validate('s.gz', body, options)).resolves.toMatchObject({ type: 'succeeded' });
    }
    await expect(validate('s.gz', 'other', options)).resolves.toMatchObject({
      type: 'failed',
      cause: 'CHECKSUM_MISMATCH',
    });
    await bench.land('s.gz.sha256', `${hash}00`);
    await expect(validate('s.gz', body, options)).resolves.toMatchObject({ cause: 'CHECKSUM_SIDECAR_INVALID' });
    await bench.land('s.gz.sha256', '');
    await expect(validate('s.gz', body, options)).resolves.toMatchObject({ cause: 'CHECKSUM_SIDECAR_INVALID' });
  });
});
