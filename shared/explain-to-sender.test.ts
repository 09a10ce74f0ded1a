import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCodeEntry } from './errors.ts';
import { explainToSender } from './explain-to-sender.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Where a file, a job, a step or a record gets its code. */
const GIVES_CODES =
  '{shared/{arrival,batches,confined,content,databases,effects,files,formats,jobs,partners,pulls,receipts,records,remotes,steps,stores,targets,transfers,worker},services/{router,ingestor,partner-worker,large-file-worker,retry-sweeper}}/**/*.ts';
/** What a request of a person is refused with, of the same folders. */
const OF_REQUESTS =
  /^(?:JOB_|FILE_NOT_|RECORDS_NOT_|RECORDS_AMBIGUOUS|LETTER_|ROW_REFUSED|RESEND_OF|UPLOAD_ENDED|OVERLOADED|NOT_FOUND)/;
/** Of mails and batches of the operator, which no file fails with. */
const OF_OTHERS = /^(?:NOTICE|EMAIL|TEMPLATE|CAMPAIGN|MAIL_DEFERRED|SEND|SUPPRESSED|MESSAGE_REJECTED|RENDER)/;

const withWords = Object.entries<ErrorCodeEntry>(ERROR_CODES).flatMap(([code, { sender }]) =>
  sender === undefined ? [] : [{ code, words: 'correct' in sender ? sender.correct : sender.instead }],
);

test('every code that a file can fail with has words for its sender', () => {
  const paths = globSync(GIVES_CODES, { cwd: ROOT, exclude: ['**/*.test.ts'] });
  expect(paths.length).toBeGreaterThan(300);
  const named = new Set(
    paths.flatMap((path) =>
      [...readFileSync(join(ROOT, path), 'utf8').matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)'/g)].map(
        ([, code]) => code,
      ),
    ),
  );
  const codes = Object.keys(ERROR_CODES).filter((code) => named.has(code));
  expect(codes.length).toBeGreaterThan(150);
  const known = new Set(withWords.map(({ code }) => code));
  const ofFiles = codes.filter((code) => !OF_REQUESTS.test(code) && !OF_OTHERS.test(code));
  expect(ofFiles.filter((code) => !known.has(code))).toEqual([]);
});

test('a sender reads nothing of routes, options, commands and servers', () => {
  const ofOperators = /\broutes?\b|\blayout\b|longshore |`|\bjobs?\b|\bretry\b|bucket|secret|clamd|copybook/i;
  expect(withWords.filter(({ words }) => ofOperators.test(words))).toEqual([]);
});

describe('a failure is explained to the sender', () => {
  test('by its place in the file and what to correct, where the fault is in the file', () => {
    expect(
      explainToSender({
        code: 'VALIDATION_ERROR',
        cause: 'CSV_COLUMN_COUNT',
        message: 'Line 3 has 4 columns and not 5.',
      }),
    ).toEqual({
      text: 'Line 3 has 4 columns and not 5. Correct that line and send the file again.',
      isToCorrect: true,
    });
  });

  test('once: steps put the remedy of the operator behind what happened', () => {
    const message = `Line 3 has 4 columns and not 5. ${ERROR_CODES.CSV_COLUMN_COUNT.remedy}`;
    expect(explainToSender({ code: 'VALIDATION_ERROR', cause: 'CSV_COLUMN_COUNT', message }).text).toBe(
      'Line 3 has 4 columns and not 5. Correct that line and send the file again.',
    );
  });

  test('without what the operator could change', () => {
    const message =
      'The file has 5 bytes; orders of acme would take its path but not its size. Correct `minSize` or `maxSize`.';
    const { text } = explainToSender({ code: 'NO_ROUTE', cause: 'SIZE_MISMATCH', message });
    expect(text).toBe(
      'The file has 5 bytes; orders of acme would take its path but not its size. Correct its name, folder or size and send the file again, or ask for help.',
    );
  });

  test.each([
    ['DELIVERY_ERROR', 'REMOTE_AUTH_FAILED', 'sftp.bank.example:22 refuses the user longshore.'],
    ['CHECK_ERROR', 'HTTP_503', 'https://partner.example/check answered 503.'],
    ['OF_A_LATER_VERSION', null, 's3://landing/acme is gone.'],
    ['toString', 'constructor', 'x'],
  ])('without a word of servers and buckets, where the fault is not in the file: %s %s', (code, cause, message) => {
    const { text, isToCorrect } = explainToSender({ code, cause, message });
    expect(text).toMatch(/^Nothing for you to do: /);
    expect(isToCorrect).toBe(false);
  });

  test('by the code of the step, when the cause is the partner\u2019s own', () => {
    const { text } = explainToSender({ code: 'VALIDATION_ERROR', cause: 'COUPON_UNKNOWN', message: 'No such coupon' });
    expect(text).toBe('No such coupon. Correct the file and send it again.');
  });
});
