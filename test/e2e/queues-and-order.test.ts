/** Order, versions and repeated messages: three suites on one fleet, each with its tenant. */
import { afterAll, beforeAll, describe } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { DUPLICATE_ROUTES, duplicatesAndGarbage } from './suites/duplicates-and-garbage.ts';
import { newestVersion, VERSION_ROUTES } from './suites/newest-version.ts';
import { ORDERED_ROUTES, orderedFiles } from './suites/ordered-files.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: ['in-order', 'renewed', 'acme'],
    routes: [ORDERED_ROUTES, VERSION_ROUTES, DUPLICATE_ROUTES].join('---'),
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

const running = () => fleet;
describe('ordered files', () => orderedFiles(running));
describe('duplicates and garbage', () => duplicatesAndGarbage(running));
// Last, since it puts a job back by hand, which breaks rules of later checks.
describe('versions of a key', () => newestVersion(running));
