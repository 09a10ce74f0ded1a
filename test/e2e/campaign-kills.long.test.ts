/** As `campaign-kills.test.ts`, with 25 kills at each point. */
import { afterAll, beforeAll } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { campaignKills, KILLS_FLEET } from './suites/campaign-kills.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet(KILLS_FLEET);
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

campaignKills(() => fleet, 25);
