/** JSONata that has one allocation larger than what is left of the heap: of a thread, V8 would abort the whole process. */
import { expect, test } from 'vitest';
import { createJsonataMapper } from '#shared/content/convert/jsonata-mapper.ts';

/** By the function that allocates. */
export const GREEDY_EXPRESSIONS = {
  formatNumber: '$formatNumber(1, $pad("", 10000000, "0"))',
  uppercase: '$uppercase($pad("", 80000000, "ab"))',
  'uppercase of two bytes': '$uppercase($pad("", 160000000, "é"))',
  encodeUrl: '$encodeUrl($pad("", 80000000, "é"))',
  base64encode: '$base64encode($pad("", 80000000, "é"))',
  base64decode: '$base64decode($pad("", 80000000, "abcd"))',
  length: '$length($pad("x", 100000000, "ab") & "x" & $pad("x", 100000000, "ab"))',
  split: '$split($pad("", 10000000, "a,"), ",")',
  zip: '$zip([1..1000000], [1..1000000], [1..1000000])',
} as const;

export function endGreedyExpressions(names: readonly (keyof typeof GREEDY_EXPRESSIONS)[]): void {
  const { signal } = new AbortController();
  test.each(names)('%s that takes too much memory at once ends its file alone', async (name) => {
    const mapper = createJsonataMapper({ cpuMs: 20_000 });
    const mapping = mapper.mapping({ x: GREEDY_EXPRESSIONS[name] }, { customer: 'acme', signal });
    await expect(mapping.mapAll([{}])).rejects.toMatchObject({ code: 'CONVERT_MAPPING' });
    const other = mapper.mapping({ x: 'y' }, { customer: 'globex', signal });
    expect(await other.mapAll([{ y: 1 }])).toEqual([{ x: 1 }]);
  });
}
