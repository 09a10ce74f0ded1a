import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '#shared/runtime/config/load-config.ts';
import { startTracing } from '#shared/runtime/tracing/start-tracing.ts';
import { tracingVariables } from '#shared/runtime/tracing/tracing-variables.ts';
import { neverStops } from '#testkit/beds/job-runner.ts';
import { startRecordBed } from '#testkit/beds/record-bed.ts';
import { type SpanReceiver, startSpanReceiver } from '#testkit/servers/start-span-receiver.ts';

let bed: Awaited<ReturnType<typeof startRecordBed>>;
let receiver: SpanReceiver;

beforeAll(async () => {
  bed = await startRecordBed();
});
afterAll(() => bed?.stop());
beforeEach(async () => {
  await bed.reset();
  receiver = await startSpanReceiver();
});
afterEach(async () => {
  await bed.endRunners();
  await receiver.stop();
});

function trace() {
  const config = loadConfig(z.object(tracingVariables), { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  return startTracing({ config, service: 'partner-worker', logger: pino({ level: 'silent' }) });
}

test('few calls of a chunk are spans, all are counted, and the partner is sent no trace context', async () => {
  const { chunks } = await bed.seed({ records: 90, calls: ['validate'] });
  bed.partner.plays(({ line }, response) => {
    if (line > 40) response.writeHead(422, { 'content-type': 'application/json' }).end('{"code":"secret words"}');
  });
  const tracing = await trace();
  const runner = bed.startRunner({ tracing });
  await runner.run(chunks);
  await tracing.stop();

  const named = (name: string) => receiver.spans.filter((span) => span.name === name);
  const [chunk] = named('carry records');
  expect(chunk?.attributes).toMatchObject({
    'longshore.calls_good': 40,
    'longshore.calls_other': 50,
    'longshore.records': 90,
  });
  const calls = named('call partner');
  expect(calls.every(({ parentSpanId }) => parentSpanId === chunk?.spanId)).toBe(true);
  expect(calls.filter(({ fault }) => fault === undefined)).toHaveLength(3);
  expect(calls.filter(({ fault }) => fault === 'BUSINESS_REJECTION')).toHaveLength(20);
  expect(JSON.stringify(calls.map(({ attributes }) => attributes))).not.toContain('secret words');

  expect(bed.partner.calls).toHaveLength(90);
  const headers = new Set(bed.partner.calls.flatMap((call) => Object.keys(call.headers)));
  expect(headers).toContain('x-request-id');
  expect([...headers].filter((name) => /trace|baggage/.test(name))).toEqual([]);
});

test('what a chunk wakes stands beside it, below the step that let it go', async () => {
  const { chunks } = await bed.seed({ records: 250, calls: ['validate'], window: 1 });
  const tracing = await trace();
  const runner = bed.startRunner({ tracing });
  const [first] = chunks;
  const [file] = await bed.sql<{ id: string }[]>`SELECT id FROM files`;
  const step = tracing.join(file!.id, 'step call');
  await runner.handle(first!.id, neverStops, { traceparent: step.traceparent });
  const [next] = runner.sent.chunks;
  expect(next?.id).not.toBe(first?.id);
  expect(next).toMatchObject({ traceparent: step.traceparent });
  await tracing.stop();
  expect(receiver.spans.find(({ name }) => name === 'carry records')).toMatchObject({
    parentSpanId: step.traceparent?.split('-')[2],
    traceId: file!.id.replaceAll('-', ''),
  });
});
