/** What changes when a file is large: two suites on one fleet with a low threshold. */
import { afterAll, beforeAll, describe } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { HELD_DEFINITIONS, heldAndTold, THRESHOLD } from './suites/held-and-told.ts';
import { largeRecords, SIZED, sizedDefinitions } from './suites/large-records.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: ['acme', SIZED],
    routes: ({ endpoints }) => [HELD_DEFINITIONS, sizedDefinitions(endpoints.partnerSimulator)].join('---\n'),
    env: { all: { LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(THRESHOLD) } },
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

const running = () => fleet;
describe('held files', () => heldAndTold(running));
describe('large files of records', () => largeRecords(running, THRESHOLD));
