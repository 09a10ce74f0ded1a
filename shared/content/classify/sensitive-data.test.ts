import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countSensitive, SENSITIVE_KINDS } from './sensitive-data.ts';

function countIn(...pieces: string[]) {
  const counter = countSensitive(SENSITIVE_KINDS);
  for (const piece of pieces) counter.add(piece);
  return counter.finish();
}
const none = { card: 0, iban: 0, 'us-ssn': 0 };

test.each([
  ['4111111111111111', { card: 1 }],
  ['4111 1111 1111 1111,5500-0000-0000-0004', { card: 2 }],
  ['4111111111111112', {}],
  ['44111111111111111', {}],
  ['0000000000000000 5555555555555555', {}],
  ['amount 4111111111111111.00', { card: 0 }],
  ['DE89370400440532013000', { iban: 1 }],
  ['DE89 3704 0044 0532 0130 00 AND MORE', { iban: 1 }],
  ['DE89370400440532013001 XX89370400440532013000', {}],
  ['GB82WEST12345698765432;NO9386011117947', { iban: 2 }],
  ['078-05-1120 and 219 09 9999', { 'us-ssn': 2 }],
  ['000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 078-051120', {}],
  ['1078-05-1120 078-05-11201', {}],
])('%s has %j', (text, expected) => {
  expect(countIn(text)).toEqual({ ...none, ...expected });
});

test('where the text is cut makes no difference', () => {
  const text = `${'x'.repeat(200)} 4111111111111111 ${'y'.repeat(150)}DE89 3704 0044 0532 0130 00;078-05-1120 4111 1111 1111 1111`;
  const expected = { card: 2, iban: 0, 'us-ssn': 1 };
  const spaced = text.replace('yDE', 'y DE');
  fc.assert(
    fc.property(fc.array(fc.nat({ max: spaced.length }), { maxLength: 8 }), (cuts) => {
      const places = [0, ...cuts.sort((one, other) => one - other), spaced.length];
      const pieces = places.slice(1).map((end, index) => spaced.slice(places[index], end));
      expect(countIn(...pieces)).toEqual({ ...expected, iban: 1 });
    }),
    { numRuns: 200 },
  );
});
