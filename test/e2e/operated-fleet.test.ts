/** What operators do: routes and letters, and a store elsewhere, on one fleet. */
import { afterAll, beforeAll, describe } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { OPERATED_ROUTES, operatedRoutes } from './suites/routes.ts';
import { storeElsewhere } from './suites/store-elsewhere.ts';

const LARGE_BYTES = 6_000_000;

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: ['acme', 'sender'],
    routes: OPERATED_ROUTES,
    env: { all: { LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(LARGE_BYTES) } },
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

const running = () => fleet;
describe('routes', () => operatedRoutes(running, LARGE_BYTES));
describe('a store elsewhere', () => storeElsewhere(running, LARGE_BYTES));
