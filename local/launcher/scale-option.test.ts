import { expect, test } from 'vitest';
import { parseScale } from '#local/launcher/scale-option.ts';

test('nothing said is one of each', () => {
  expect(parseScale([])).toEqual({});
});

test('a number holds, and auto takes every other service that has a queue', () => {
  expect(parseScale(['--scale', 'partner-worker=3', '--scale', 'retry-sweeper=2'])).toEqual({
    'partner-worker': 3,
    'retry-sweeper': 2,
  });
  expect(parseScale(['--scale', 'auto,router=2'])).toEqual({
    ingestor: 'auto',
    router: 2,
    'partner-worker': 'auto',
    'large-file-worker': 'auto',
  });
});

test.each(['worker=2', 'router=0', 'router=9', 'router=1.5', 'router', 'control-api=2', ''])(
  'refuses %j and says what it takes',
  (option) => {
    expect(() => parseScale(['--scale', option])).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('partner-worker=3') }),
    );
  },
);

test('refuses options that it does not know', () => {
  expect(() => parseScale(['--skale', 'auto'])).toThrow(
    expect.objectContaining({ code: 'OPTION_INVALID', message: "Unknown option '--skale'." }),
  );
});
