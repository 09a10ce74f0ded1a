import { expect, test } from 'vitest';
import { ERROR_CODES } from '#shared/errors.ts';
import { explainFailure } from './problems.ts';

test('what to do is said once, where a step put it behind what happened', () => {
  const { remedy } = ERROR_CODES.CSV_DELIMITER;
  const message = `The columns of the header seem to be separated by ";". ${remedy}`;
  expect(explainFailure(ERROR_CODES, { code: 'VALIDATION_ERROR', cause: 'CSV_DELIMITER', message })).toEqual({
    happened: 'The columns of the header seem to be separated by ";".',
    remedy,
  });
});

test('a message that is the remedy alone leaves the meaning', () => {
  const { meaning, remedy } = ERROR_CODES.CSV_NUL;
  const failure = { code: 'VALIDATION_ERROR', cause: 'CSV_NUL', message: remedy };
  expect(explainFailure(ERROR_CODES, failure)).toEqual({ happened: meaning, remedy });
});

test('what no route takes is not explained as a copy of another size', () => {
  const failure = { code: 'NO_ROUTE', cause: 'SIZE_MISMATCH', message: null };
  expect(explainFailure(ERROR_CODES, failure).remedy).toBe(ERROR_CODES.NO_ROUTE.remedy);
});
