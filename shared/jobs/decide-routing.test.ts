import { expect, test } from 'vitest';
import type { RoutingInput } from '#shared/definitions/load-routing-input.ts';
import { compileRoute } from '#shared/definitions/routes/compile-route.ts';
import { decideRouting } from './decide-routing.ts';
import type { ActiveRoute } from './new-job.ts';

const THRESHOLD = 524_288_000;
const NOW = Date.parse('2026-03-04T20:00:00Z');

function file(path: string, sizeBytes = 100): RoutingInput & { region: string } {
  const key = `acme/${path}`;
  return {
    fileId: 'f',
    tenantId: 'acme',
    key,
    name: path,
    sizeBytes,
    source: 'sftp',
    uploadedBy: 'acme-sftp',
    uploadedAt: new Date('2026-03-04T20:00:00Z'),
    timeZone: 'UTC',
    homeRegion: null,
    priority: 'standard',
    region: 'eu-west-1',
    metadata: {},
    object: { bucket: 'b', key, versionId: 'v' },
    repeatOf: null,
    orderKey: 'o',
    orderSeq: 1,
    routes: [],
  };
}

function route(name: string, more: Record<string, unknown> = {}): ActiveRoute {
  const route = compileRoute({
    kind: 'route',
    tenant: 'acme',
    name,
    match: { path: 'in/**' },
    steps: [{ deliver: {} }],
    ...more,
  });
  return { routeId: `id-${name}`, routeVersionId: `version-${name}`, route };
}

function decide(given: ReturnType<typeof file>, ...routes: ActiveRoute[]) {
  return decideRouting(given, routes, { largeFileThresholdBytes: THRESHOLD, nowMs: NOW });
}

test('makes one job for each route that takes the file', () => {
  const { jobs, error } = decide(
    file('in/a.csv'),
    route('one'),
    route('other', { match: { path: 'out/*' } }),
    route('two'),
  );
  expect(jobs.map(({ routeId }) => routeId)).toEqual(['id-one', 'id-two']);
  expect(jobs[0]).toMatchObject({ queue: 'partner-steps', stepKind: 'deliver', stepCount: 1, maxAttempts: 3 });
  expect(error).toBeUndefined();
});

test('sends a file above the threshold to the long queue when its first step moves bytes, and one of exactly that size not', () => {
  expect(decide(file('in/a', THRESHOLD), route('r'))).toMatchObject({
    isLarge: false,
    jobs: [{ queue: 'partner-steps' }],
  });
  expect(decide(file('in/a', THRESHOLD + 1), route('r'))).toMatchObject({ isLarge: true, jobs: [{ queue: 'work' }] });
});

test('counts all calls of a record route as one step, and has large files parsed from the long queue', () => {
  const call = (operation: string) => ({ call: { partner: 'gw', operation, code: 'VALIDATION_ERROR' } });
  const records = { format: 'csv', columns: [{ name: 'member' }] };
  const rfi = route('r', { records, steps: [{ parse: null }, call('a'), call('b'), call('c'), { deliver: null }] });
  expect(decide(file('in/a'), rfi).jobs).toMatchObject([{ queue: 'partner-steps', stepKind: 'parse', stepCount: 3 }]);
  expect(decide(file('in/a', THRESHOLD + 1), rfi).jobs).toMatchObject([{ queue: 'work', stepKind: 'parse' }]);
});

test('takes empty files unless the route does not', () => {
  expect(decide(file('in/a', 0), route('r')).jobs).toHaveLength(1);
  expect(decide(file('in/a', 0), route('r', { acceptEmpty: false })).error).toMatchObject({
    code: 'NO_ROUTE',
    cause: 'FILE_EMPTY',
    message: expect.stringContaining('r of acme'),
  });
});

test('says why no route takes a file', () => {
  expect(decide(file('a')).error).toMatchObject({ code: 'NO_ROUTE', cause: 'TENANT_HAS_NO_ROUTE' });
  expect(decide(file('elsewhere/a'), route('r1'), route('r2')).error).toMatchObject({
    cause: 'PATH_MISMATCH',
    message: expect.stringContaining('"elsewhere/a"; tried: r1, r2'),
  });
  const bounded = route('r', { match: { path: 'in/**', maxSize: '10B' } });
  expect(decide(file('in/a'), bounded).error).toMatchObject({ cause: 'SIZE_MISMATCH' });
  const many = Array.from({ length: 9 }, (_, index) => route(`r${index}`));
  expect(decide(file('b'), ...many).error?.message).toContain('r0, r1, r2, r3, r4 and 4 more');
});

test('carries no checksum or marker by itself for the route that reads it, but for another route that takes it', () => {
  const reading = route('reading', {
    steps: [{ validate: { checksumSidecar: { suffix: '.sha256' } } }, { deliver: {} }],
  });
  expect(decide(file('in/a.csv.sha256'), reading)).toMatchObject({ jobs: [], companionOf: 'reading' });
  expect(decide(file('in/a.csv.sha256'), reading, route('all')).jobs).toMatchObject([{ routeId: 'id-all' }]);
});

test('the priority of a route is its jobs’ lane, and its tenant’s where it says none', () => {
  const bronze = { ...file('in/a'), priority: 'bronze' as const };
  const decided = decide(bronze, route('plain'), route('urgent', { priority: 'platinum' }));
  expect(decided.jobs.map(({ lane, queue }) => [lane, queue])).toEqual([
    ['bronze', 'bronze-steps'],
    ['platinum', 'platinum-steps'],
  ]);
});

test('quiet hours are the tenant’s, and a job outside of them begins with the next', () => {
  const inTokyo = { ...file('in/a'), timeZone: 'Asia/Tokyo' };
  const at = (quietHours: unknown) => decide(inTokyo, route('r', { quietHours })).jobs[0]?.startAt?.toISOString();
  // Now it is Thursday, 05:00, there.
  expect(at([{ from: '22:00', to: '06:00' }])).toBeUndefined();
  expect(at([{ from: '22:00', to: '04:00' }])).toBe('2026-03-05T13:00:00.000Z');
  expect(
    at([
      { from: '22:00', to: '04:00' },
      { days: ['sat'], from: '08:00', to: '20:00' },
    ]),
  ).toBe('2026-03-05T13:00:00.000Z');
});

test('a copy that the upload of another file brought takes no route', () => {
  expect(decide({ ...file('in/a'), repeatOf: 'file-1' }, route('r'))).toMatchObject({
    jobs: [],
    companionOf: 'uploads',
    error: { code: 'UPLOAD_REPEATED', message: expect.stringContaining('file-1') },
  });
});

test('a file whose tenant is at home elsewhere is left to the fleet there', () => {
  const given = { ...file('in/a'), homeRegion: 'us-east-1' };
  const decideFor = (homeRegions: string[] | undefined, homeRegion: string | null = 'us-east-1') =>
    decideRouting({ ...given, homeRegion }, [route('r')], {
      largeFileThresholdBytes: THRESHOLD,
      nowMs: NOW,
      homeRegions,
    });
  expect(decideFor(['eu-west-1'])).toMatchObject({
    jobs: [],
    isForOtherRegion: true,
    error: { code: 'LEFT_TO_HOME', message: expect.stringContaining('home of acme is us-east-1') },
  });
  for (const taken of [decideFor(undefined), decideFor(['eu-west-1', 'us-east-1']), decideFor(['eu-west-1'], null)])
    expect(taken.jobs).toHaveLength(1);
});
