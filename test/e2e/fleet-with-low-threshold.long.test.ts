/**
 * A fleet for which little is large, and which is traced: what changes when a file is large, what operators do and take away, what spans say of
 * it, and in which order files and versions are delivered.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { type SpanReceiver, startSpanReceiver } from '#testkit/servers/start-span-receiver.ts';
import { HELD_DEFINITIONS, heldAndNotified } from './suites/held-and-notified.ts';
import { largeRecords, SIZED, sizedDefinitions } from './suites/large-records.ts';
import { newestVersion, VERSION_ROUTES } from './suites/newest-version.ts';
import { ORDERED_ROUTES, orderedFiles } from './suites/ordered-files.ts';
import { REVOKED_ROUTES, revokedAccess } from './suites/revoked-access.ts';
import { OPERATED_ROUTES, operatedRoutes } from './suites/routes.ts';
import { storeElsewhere } from './suites/store-elsewhere.ts';
import { tracedDefinitions, traces } from './suites/traces.ts';

/** More than the files that are to be small have, and little enough for a file of records of this size. */
const LARGE_BYTES = 3_000;

let fleet: TestFleet;
let receiver: SpanReceiver;
beforeAll(async () => {
  receiver = await startSpanReceiver();
  fleet = await startTestFleet({
    tenants: ['told', SIZED, 'acme', 'traced', 'sender', 'shut', 'in-order', 'renewed'],
    routes: ({ endpoints: { partnerSimulator } }) =>
      [
        ...[HELD_DEFINITIONS, sizedDefinitions(partnerSimulator), OPERATED_ROUTES],
        ...[tracedDefinitions(partnerSimulator), REVOKED_ROUTES, ORDERED_ROUTES, VERSION_ROUTES],
      ].join('\n---\n'),
    env: {
      all: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        LONGSHORE_LARGE_FILE_THRESHOLD_BYTES: String(LARGE_BYTES),
      },
    },
  });
}, 180_000);
afterAll(async () => {
  await fleet?.stop();
  await receiver?.stop();
});

const running = () => fleet;
describe('held files', () => heldAndNotified(running, LARGE_BYTES));
describe('large files of records', () => largeRecords(running, LARGE_BYTES));
describe('routes', () => operatedRoutes(running, LARGE_BYTES));
describe('ordered files', () => orderedFiles(running));
// What it changes in rows breaks rules: nothing after it checks the guarantees.
describe('versions of a key', () => newestVersion(running));
describe('traces', () => traces(running, () => receiver));
describe('a store elsewhere', () => storeElsewhere(running));
describe('access that is taken away', () => revokedAccess(running));
