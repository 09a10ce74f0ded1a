import { expect, test } from 'vitest';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import { deliveriesIn, findStoreFaults, type StoredStores } from './find-store-faults.ts';

const store = (buckets: string, name = 'office') => `kind: store
tenant: acme
name: ${name}
credentials: office-s3
buckets: ${buckets}
`;
const route = (deliver: string) => `kind: route
tenant: acme
name: out
match: { path: "**" }
steps:
  - deliver: ${deliver}
`;
const NOTHING: StoredStores = { stores: [], routes: [] };

function faultsOf(texts: readonly string[], stored = NOTHING): string[] {
  const parsed = parseRouteFiles(texts.map((text) => ({ text })));
  const faults = parsed.ok ? findStoreFaults(parsed.documents, stored) : parsed.faults;
  return faults.map(({ path, message }) => `${path}: ${message}`);
}

test('a route delivers to a store that is in its files, or stored, and to no other', () => {
  const out = route('{ store: office, externalBucket: inbox }');
  expect(faultsOf([out, store('[inbox]')])).toEqual([]);
  expect(faultsOf([out], { ...NOTHING, stores: [{ tenantId: 'acme', name: 'office', buckets: ['inbox'] }] })).toEqual(
    [],
  );
  const unknown = ['steps.0.deliver.store: the tenant acme has no store office; define it with kind: store'];
  expect(faultsOf([out])).toEqual(unknown);
  expect(faultsOf([out], { ...NOTHING, stores: [{ tenantId: 'globex', name: 'office', buckets: ['inbox'] }] })).toEqual(
    unknown,
  );
});

test.each([
  ['{ store: office, externalBucket: inbox }', '[inbox/acme/]', true],
  ['{ store: office, externalBucket: inbox }', '[inbox/acme/today/, other]', true],
  ['{ store: office, externalBucket: inbox }', '[inbox/acm/]', false],
  ['{ store: office, externalBucket: inbox }', '[inbox-too]', false],
  ['{ store: office, externalBucket: inbox, key: "in/{{ name }}" }', '[inbox/in/]', true],
  ['{ store: office, externalBucket: inbox, key: "out/{{ name }}" }', '[inbox/in/]', false],
  ['{ store: office, externalBucket: inbox, key: "{{ name }}" }', '[inbox/in/]', true],
])('a delivery %s to a store with buckets %s is fit: %s', (deliver, buckets, isFit) => {
  expect(faultsOf([route(deliver), store(buckets)])).toHaveLength(isFit ? 0 : 1);
});

test.each([
  ['{ store: office, bucket: inbox, key: days/us.txt }', []],
  [
    '{ store: office, bucket: inbox, key: us.txt }',
    ['holidaysFrom.key: the store office does not allow this object; it allows inbox/days/'],
  ],
  [
    '{ store: office, bucket: other, key: days/us.txt }',
    ['holidaysFrom.key: the store office does not allow this object; it allows inbox/days/'],
  ],
  [
    '{ store: none, bucket: inbox, key: days/us.txt }',
    ['holidaysFrom.store: the tenant acme has no store none; define it with kind: store'],
  ],
])('a calendar reads its holidays from %s where a store allows it', (from, faults) => {
  const calendar = `kind: calendar\ntenant: acme\nname: us\ntimeZone: UTC\nholidaysFrom: ${from}\n`;
  expect(faultsOf([calendar, store('[inbox/days/]')])).toEqual(faults);
});

test('a store keeps the buckets that routes in force deliver to, unless they are replaced beside it', () => {
  const steps = [{ deliver: { store: 'office', externalBucket: 'inbox' } }];
  const deliveries = deliveriesIn({ tenantId: 'acme', name: 'out', steps });
  const stored = { stores: [], routes: [{ tenantId: 'acme', name: 'out', deliveries }] };
  expect(faultsOf([store('[another]')], stored)).toEqual([
    'buckets: the route out delivers to inbox/acme/; keep it, or apply the route without it in the same files',
  ]);
  expect(faultsOf([store('[another]'), route('{ store: office, externalBucket: another }')], stored)).toEqual([]);
});

test.each([
  ['{ store: office }', 'name the bucket at the store by externalBucket'],
  ['{ store: office, bucket: delivered }', 'name the bucket at the store by externalBucket'],
  [
    '{ store: office, externalBucket: inbox, copy: server-side }',
    'no store can copy from another store; leave copy out',
  ],
])('a route may not say %s', (deliver, message) => {
  expect(faultsOf([route(deliver), store('[inbox]')]).join()).toContain(message);
});

test.each([
  ['credentials: office-s3', 'credentials: ../office-s3'],
  ['buckets: [inbox]', 'buckets: []'],
  ['buckets: [inbox]', 'buckets: [inbox/no-separator]'],
  ['buckets: [inbox]', 'buckets: [inbox/../other/]'],
  ['buckets: [inbox]', 'buckets: ["*"]'],
  ['buckets: [inbox]', 'buckets: [inbox]\nendpoint: ftp://store.example'],
  ['buckets: [inbox]', 'buckets: [inbox]\nendpoint: https://key:secret@store.example'],
  ['buckets: [inbox]', 'buckets: [inbox]\nendpoint: https://store.example/path'],
  ['buckets: [inbox]', 'buckets: [inbox]\nsecretAccessKey: written-in-the-clear'],
])('a store that says %j as %j is refused', (from, to) => {
  expect(faultsOf([store('[inbox]').replace(from, to)])).not.toEqual([]);
});
