/** The way of a file through all services as one trace, in the order in which one caused the other. */
import { beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { untilFileEnded } from '#testkit/seeds/record-files.ts';
import type { ReceivedSpan } from '#testkit/servers/decode-spans.ts';
import type { SpanReceiver } from '#testkit/servers/start-span-receiver.ts';

const TENANT = 'traced';
const LARGE_BYTES = 6 * 1024 ** 2;
/** The last word about a file: with it everything that came before is to be there. */
const END = 'archive file';

export const tracedDefinitions = (partnerUrl: string): string =>
  `${definitions(
    testPartner({ tenant: TENANT, name: 'desk', baseUrl: partnerUrl }),
    testRoute({
      tenant: TENANT,
      name: 'records',
      partner: 'desk',
      retry: { maxSweeps: 1, firstDelay: 0, maxDelay: 0 },
    }),
  )}
---
kind: route
tenant: ${TENANT}
name: mixed
match: { path: "mixed/**" }
steps: [{ validate: {} }, { deliver: {} }, { confirm: {} }]
---
kind: route
tenant: ${TENANT}
name: marked
match: { path: "marked/*.csv" }
steps: [{ validate: { checksumSidecar: { waitUpTo: 1m } } }, { deliver: {} }]
`;

export function traces(running: () => TestFleet, receiving: () => SpanReceiver): void {
  let fleet: TestFleet;
  let receiver: SpanReceiver;
  beforeAll(() => {
    fleet = running();
    receiver = receiving();
  });

  /** The trace of a file, once it is whole: every parent is there, and so is the end. */
  async function traceOf(path: string, isWhole: (spans: readonly ReceivedSpan[]) => boolean = () => true) {
    const key = `${TENANT}/${path}`;
    const [file] = await fleet.sql<{ id: string }[]>`SELECT id FROM files WHERE key = ${key}`;
    const traceId = file!.id.replaceAll('-', '');
    const found = () => receiver.spans.filter((span) => span.traceId === traceId);
    await fleet.waitUntil(
      `the trace of ${path} is whole`,
      () => {
        const spans = found();
        const ids = new Set(spans.map(({ spanId }) => spanId));
        const hasParents = spans.every(({ parentSpanId }) => parentSpanId === undefined || ids.has(parentSpanId));
        return hasParents && spans.some(({ name }) => name === END) && isWhole(spans);
      },
      60_000,
    );
    return found();
  }

  /** Each span as `service: name`, below the one that caused it. */
  function treeOf(spans: readonly ReceivedSpan[], parentSpanId?: string): unknown[] {
    return spans
      .filter((span) => span.parentSpanId === parentSpanId)
      .sort((a, b) => (a.startNs < b.startNs ? -1 : 1))
      .map((span) => {
        const below = treeOf(spans, span.spanId);
        const label = `${span.service}: ${span.name}`;
        return below.length === 0 ? label : [label, ...below];
      });
  }

  const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter((span) => span.name === name);

  test('a small file is one trace from its registration to its archive', async () => {
    await fleet.put(`${TENANT}/mixed/small.csv`, 'id\n1\n');
    await untilFileEnded(fleet, `${TENANT}/mixed/small.csv`, 60_000);
    const spans = await traceOf('mixed/small.csv');
    const job = [
      'partner-worker: run job',
      'partner-worker: step validate',
      'partner-worker: step deliver',
      'partner-worker: step confirm',
      'partner-worker: archive file',
    ];
    expect(treeOf(spans)).toEqual([['ingestor: register file', ['router: route file', job]]]);
    expect(named(spans, 'step deliver')[0]).toMatchObject({
      attributes: { 'longshore.tenant': TENANT, 'longshore.attempt': 1, 'longshore.outcome': 'succeeded' },
    });
    expect(named(spans, 'run job')[0]).toMatchObject({
      attributes: {
        'messaging.destination.name': 'partner-steps',
        'longshore.route': 'mixed',
        'longshore.state': 'succeeded',
      },
    });
    expect(spans.map(({ fault }) => fault).filter((fault) => fault !== undefined)).toEqual([]);
  });

  test('a file that a partner uploads has one trace, whichever word of it came first', async () => {
    const client = await fleet.sftp(TENANT);
    await client.put('/mixed/uploaded.csv', Buffer.from('id\n1\n'));
    await untilFileEnded(fleet, `${TENANT}/mixed/uploaded.csv`, 60_000);
    const spans = await traceOf('mixed/uploaded.csv');
    const [first, ...others] = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
    expect(first).toMatchObject({ name: 'register file', attributes: { 'longshore.name': 'uploaded.csv' } });
    expect(others).toEqual([]);
    expect(named(spans, 'route file')).toHaveLength(1);
  });

  test('a large file changes hands within its trace', async () => {
    await fleet.put(`${TENANT}/mixed/large.bin`, Buffer.alloc(LARGE_BYTES + 1, 'x'));
    await untilFileEnded(fleet, `${TENANT}/mixed/large.bin`, 60_000);
    const spans = await traceOf('mixed/large.bin');
    expect(new Set(spans.map(({ service }) => service))).toContain('large-file-worker');
    const [deliver] = named(spans, 'step deliver');
    const [confirm] = named(spans, 'step confirm');
    const jobs = named(spans, 'run job');
    expect(deliver?.service).toBe('large-file-worker');
    expect(confirm?.service).toBe('partner-worker');
    const [carrier, confirmer] = [deliver, confirm].map((step) =>
      jobs.find(({ spanId }) => spanId === step?.parentSpanId),
    );
    expect(confirmer?.parentSpanId).toBe(carrier?.spanId);
  });

  test('records are in the trace of their file: chunks below the step that let them go, few of their calls, all that failed', async () => {
    const rows = Array.from({ length: 250 }, (_, index) => [`r${index}`] as const);
    await fleet.put(`${TENANT}/records/three.csv`, recordsCsv([...rows, ['bad', 'SIM:C:500:9']]));
    await untilFileEnded(fleet, `${TENANT}/records/three.csv`, 60_000);
    const spans = await traceOf('records/three.csv', (found) => named(found, 'step call').length > 1);
    const [opened] = named(spans, 'step call').sort((a, b) => (a.startNs < b.startNs ? -1 : 1));
    const chunks = named(spans, 'carry records');
    const carried = chunks.reduce((sum, { attributes }) => sum + Number(attributes['longshore.calls_good']), 0);
    expect(carried).toBe(250 * 3 + 2);
    expect(chunks.filter(({ parentSpanId }) => parentSpanId === opened?.spanId).length).toBeGreaterThanOrEqual(3);
    const calls = named(spans, 'call partner');
    expect(calls.length).toBeLessThan(chunks.length * 5);
    const failed = calls.filter(({ fault }) => fault !== undefined);
    expect(failed.map(({ fault }) => fault)).toEqual(['HTTP_500', 'HTTP_500']);
    expect(failed[0]).toMatchObject({
      attributes: { 'longshore.line': 252, 'longshore.partner': 'desk', 'longshore.http_status': 500 },
    });
    expect(JSON.stringify(spans, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      'SIM:',
    );
  });

  test('a job that the clocks wake goes on in the trace of its file', async () => {
    await fleet.put(`${TENANT}/marked/one.csv`, 'id\n1\n');
    const waits = async () => {
      const [job] = await fleet.sql<{ state: string }[]>`
        SELECT j.state FROM jobs j JOIN files f ON f.id = j.file_id WHERE f.key = ${`${TENANT}/marked/one.csv`}`;
      return job?.state === 'WAITING';
    };
    await fleet.waitUntil('the job waits for its sidecar', waits, 60_000);
    await fleet.put(
      `${TENANT}/marked/one.csv.sha256`,
      '7cde7fb64fd82bd152710cf238e017b9ab46c0592483edc067ba4f6c75fac108  one.csv',
    );
    await untilFileEnded(fleet, `${TENANT}/marked/one.csv`, 60_000);
    const spans = await traceOf('marked/one.csv');
    const [first] = named(spans, 'register file');
    const jobs = named(spans, 'run job').sort((a, b) => (a.startNs < b.startNs ? -1 : 1));
    expect(jobs.length).toBeGreaterThan(1);
    expect(jobs[0]?.parentSpanId).toBe(named(spans, 'route file')[0]?.spanId);
    expect(jobs.at(-1)?.parentSpanId).toBe(first?.spanId);
  });
}
