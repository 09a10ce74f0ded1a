/** What partners, queues and operators do to a fleet, on servers that are not ours. */
import { afterAll, beforeAll, describe } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { DUPLICATE_ROUTES, duplicatesAndGarbage } from '../e2e/suites/duplicates-and-garbage.ts';
import { FRONT_DOOR_ROUTES, frontDoor } from '../e2e/suites/front-door.ts';
import { OPERATED_ROUTES, operatedRoutes } from '../e2e/suites/routes.ts';

const LARGE_BYTES = 6_000_000;

function useFleet(tenant: string, routes: string): () => TestFleet {
  let fleet: TestFleet;
  beforeAll(async () => {
    const all = { LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(LARGE_BYTES) };
    fleet = await startTestFleet({ tenants: [tenant], routes, env: { all } });
  }, 180_000);
  afterAll(() => fleet?.stop(), 60_000);
  return () => fleet;
}

describe('the front door', () => frontDoor(useFleet('front', FRONT_DOOR_ROUTES)));
describe('duplicates and garbage', () => duplicatesAndGarbage(useFleet('acme', DUPLICATE_ROUTES)));
describe('routes', () => operatedRoutes(useFleet('acme', OPERATED_ROUTES), LARGE_BYTES));
