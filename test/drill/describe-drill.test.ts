import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { DrillOutcome } from './count-outcome.ts';
import { describeDrill } from './describe-drill.ts';

const PAGE = readFileSync(new URL('../../docs/operations/failover-drill.md', import.meta.url), 'utf8');
const NOTHING: DrillOutcome = {
  acknowledged: 0,
  delivered: 0,
  missing: [],
  lost: [],
  twice: [],
  misjudged: [],
  repeated: 0,
  ambiguous: 0,
  effects: 0,
};

test('the page of the drill says what each figure of the report means', () => {
  const [, ...lines] = describeDrill({
    times: { nameMs: 0, uploadMs: 0, promotedMs: 0, completedMs: 0, wayBackMs: 0 },
    databaseRpoMs: 0,
    objectRpoMs: 0,
    unreplicated: [],
    resent: 0,
    afterFailover: NOTHING,
    afterReturn: NOTHING,
    awaited: 0,
    replayed: { events: 0, deadLetters: 0 },
    afterReplay: NOTHING,
    afterWayBack: NOTHING,
    fenced: { role: 'follows', setAside: true, services: 0, refusal: '25006' },
    violations: [],
    faults: [],
  });
  const labels = lines.flatMap((line) =>
    /^files /.test(line) ? line.split(/ {2,}/).slice(1) : (/^\w+( \w+)?(?= {2,})/.exec(line)?.[0] ?? []),
  );
  expect(labels).toContain('way back');
  expect(labels).toContain('effects');
  const explained = PAGE.slice(PAGE.indexOf('## Read the report'), PAGE.indexOf('**Acknowledged is not'));
  expect(labels.filter((label) => !explained.includes(`\`${label}\``))).toEqual([]);
});
