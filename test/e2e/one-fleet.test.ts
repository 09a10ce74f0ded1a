/** A fleet as it is by default: the suites that need no variable of their own, one after another, each with its tenant. */
import { afterAll, beforeAll, describe } from 'vitest';
import { noBrowser } from '#testkit/beds/open-console.ts';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { CONSOLE_ROUTES, consoleFiles } from '../console/console-files.ts';
import { campaigns, SENDER } from './suites/campaigns.ts';
import { DUPLICATE_ROUTES, duplicatesAndGarbage } from './suites/duplicates-and-garbage.ts';
import { FRONT_DOOR_ROUTES, frontDoor } from './suites/front-door.ts';
import { exactDefinitions, recordsExact } from './suites/records-exact.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet({
    tenants: ['watched', 'acme', 'front', 'exact', 'globex'],
    routes: ({ endpoints }) =>
      [
        ...[CONSOLE_ROUTES, DUPLICATE_ROUTES, FRONT_DOOR_ROUTES],
        ...[exactDefinitions(endpoints.partnerSimulator), SENDER],
      ].join('\n---\n'),
  });
}, 180_000);
afterAll(() => fleet?.stop(), 60_000);

const running = () => fleet;
if (noBrowser !== undefined) process.stdout.write(`tests of the console are skipped: ${noBrowser}\n`);
// First, since it reads whole lists.
describe.skipIf(noBrowser !== undefined)('the console (skipped without Chromium)', () => consoleFiles(running));
describe('duplicates and garbage', () => duplicatesAndGarbage(running));
describe('the front door', () => frontDoor(running));
describe('records', () => recordsExact(running));
// Last, since mail in doubt breaks rules of later checks.
describe('campaigns', () => campaigns(running));
