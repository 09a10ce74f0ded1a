import { spawn } from 'node:child_process';
import { randomUUIDv7 } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '#shared/runtime/config/load-config.ts';
import { type SpanReceiver, startSpanReceiver } from '#testkit/servers/start-span-receiver.ts';
import { firstSpanIdOf, traceIdOf } from './file-trace.ts';
import { startTracing } from './start-tracing.ts';
import { NO_TRACING, type Tracing } from './tracing.ts';
import { tracingVariables } from './tracing-variables.ts';

const schema = z.object(tracingVariables);
let receiver: SpanReceiver;
let logged: Record<string, unknown>[];
const started: Tracing[] = [];

beforeEach(async () => {
  receiver = await startSpanReceiver();
  logged = [];
});
afterEach(async () => {
  for (const tracing of started.splice(0)) await tracing.stop();
  await receiver.stop();
});

async function start(env: Record<string, string> = {}): Promise<Tracing> {
  const config = loadConfig(schema, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env });
  const logger = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const tracing = await startTracing({ config, service: 'router', logger });
  started.push(tracing);
  return tracing;
}

/** Begins the trace and takes one more step in it. */
async function traceFile(fileId: string, env: Record<string, string> = {}): Promise<void> {
  const tracing = await start(env);
  tracing.begin(fileId, 'register file').end();
  tracing.join(fileId, 'route file').end();
  await tracing.stop();
}

test('the file is the trace: what no message tells the parent of hangs below the first span', async () => {
  const fileId = randomUUIDv7();
  await traceFile(fileId);
  const [first, later] = receiver.spans;
  expect(first).toMatchObject({ name: 'register file', traceId: fileId.replaceAll('-', ''), service: 'router' });
  expect(first?.parentSpanId).toBeUndefined();
  expect(later).toMatchObject({ name: 'route file', traceId: first?.traceId, parentSpanId: first?.spanId });
  expect(later?.spanId).not.toBe(first?.spanId);
  expect(receiver.requests[0]).toMatchObject({ path: '/v1/traces', 'content-type': 'application/x-protobuf' });
});

test('a message tells the parent, and only one of its own file is believed', async () => {
  const [fileId, other] = [randomUUIDv7(), randomUUIDv7()];
  const tracing = await start();
  const sent = tracing.join(fileId, 'route file');
  const foreign = tracing.join(other, 'route file');
  tracing.join(fileId, 'told', { traceparent: sent.traceparent }).end();
  for (const traceparent of [foreign.traceparent, 'garbage', '', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`]) {
    tracing.join(fileId, 'mistold', { traceparent }).end();
  }
  await tracing.stop();
  expect(receiver.spans.find(({ name }) => name === 'told')?.parentSpanId).toBe(sent.traceparent?.split('-')[2]);
  const mistold = receiver.spans.filter(({ name }) => name === 'mistold');
  expect(mistold.map(({ parentSpanId }) => parentSpanId)).toEqual(Array(4).fill(firstSpanIdOf(fileId)));
  expect(new Set(receiver.spans.map(({ traceId }) => traceId))).toEqual(new Set([traceIdOf(fileId)]));
});

test('spans carry facts by the names of the log, cut, and the cause of what failed', async () => {
  const tracing = await start({ OTEL_SERVICE_NAME: 'dock-router' });
  const span = tracing.begin(randomUUIDv7(), 'run job', {
    queue: 'work',
    facts: { jobId: 'j', name: 'n'.repeat(999) },
  });
  const startedAt = new Date();
  span.addCall('call partner', { startedAt, durationMs: 7, facts: { httpStatus: 503 }, fault: 'HTTP_503' });
  span.child('step deliver', { attempt: 2, isHeld: false, nothing: undefined }).end({ outcome: 'retry' }, 'TIMED_OUT');
  span.end({ state: 'failed' });
  span.end({ state: 'twice' }, 'TWICE');
  await tracing.stop();
  const byName = Object.fromEntries(receiver.spans.map((received) => [received.name, received]));
  expect(byName['run job']).toMatchObject({
    service: 'dock-router',
    attributes: {
      'longshore.job_id': 'j',
      'longshore.name': 'n'.repeat(256),
      'longshore.state': 'failed',
      'messaging.system': 'aws_sqs',
      'messaging.destination.name': 'work',
    },
  });
  expect(byName['run job']?.fault).toBeUndefined();
  expect(byName['step deliver']).toMatchObject({ fault: 'TIMED_OUT', parentSpanId: byName['run job']?.spanId });
  expect(byName['step deliver']?.attributes).toEqual({
    'longshore.attempt': 2,
    'longshore.is_held': false,
    'longshore.outcome': 'retry',
  });
  const call = byName['call partner'];
  expect(call).toMatchObject({ kind: 3, fault: 'HTTP_503', startNs: BigInt(startedAt.getTime()) * 1_000_000n });
  expect(call!.endNs - call!.startNs).toBe(7_000_000n);
});

test('sampling by ratio takes a file in every service or in none', async () => {
  const files = Array.from({ length: 300 }, () => randomUUIDv7());
  const env = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.3' };
  for (const fileId of files) await traceFile(fileId, env);
  const spansOf = (fileId: string) => receiver.spans.filter(({ traceId }) => traceId === traceIdOf(fileId)).length;
  const counts = files.map(spansOf);
  expect(new Set(counts)).toEqual(new Set([0, 2]));
  const share = counts.filter((count) => count === 2).length / files.length;
  expect(share).toBeGreaterThan(0.15);
  expect(share).toBeLessThan(0.45);
});

test('what is sampled out says so to whoever gets the message', async () => {
  const fileId = randomUUIDv7();
  const off = await start({ OTEL_TRACES_SAMPLER: 'always_off' });
  const { traceparent } = off.begin(fileId, 'register file');
  expect(traceparent).toBe(`00-${traceIdOf(fileId)}-${firstSpanIdOf(fileId)}-00`);
  const on = await start();
  on.join(fileId, 'route file', { traceparent }).end();
  await on.stop();
  expect(receiver.spans).toEqual([]);
});

test('nothing is traced without an endpoint, nor when it is disabled', async () => {
  expect(await start({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBe(NO_TRACING);
  expect(await start({ OTEL_SDK_DISABLED: 'true' })).toBe(NO_TRACING);
  expect(NO_TRACING.begin('id', 'register file').child('step').traceparent).toBeUndefined();
});

test.each(['hang', 'refuse'] as const)(
  'a collector that does %s costs a line in the log, and spans',
  async (answer) => {
    receiver.answer = answer;
    const tracing = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/` });
    for (let index = 0; index < 5_000; index += 1) tracing.begin(randomUUIDv7(), 'register file').end();
    await tracing.stop();
    await tracing.stop();
    expect(receiver.requests.length).toBeGreaterThan(0);
    // The bound of what waits: 2,048 spans in requests of 512, and what was on its way.
    expect(receiver.requests.length).toBeLessThanOrEqual(6);
    if (answer === 'refuse') expect(logged.map(({ msg }) => msg)).toEqual(['traces not sent, their spans are dropped']);
  },
);

test('faults in the variables are found at start', () => {
  const load = (env: Record<string, string>) => () => loadConfig(schema, env);
  expect(load({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toThrow('OTEL_EXPORTER_OTLP_PROTOCOL');
  expect(load({ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' })).toThrow('OTEL_EXPORTER_OTLP_ENDPOINT');
  expect(load({ OTEL_TRACES_SAMPLER_ARG: '30' })).toThrow('OTEL_TRACES_SAMPLER_ARG');
});

/** Modules of OpenTelemetry's SDK that a process has loaded with these services, and once it has started its tracing. */
async function loadedBy(services: readonly string[], endpoint: string): Promise<string[]> {
  const program = `
    import { registerHooks } from 'node:module';
    let by;
    registerHooks({ load(url, context, next) {
      if (/@opentelemetry\\/(?!api\\/)/.test(url)) console.log(by + ' loads ' + url);
      return next(url, context);
    } });
    for (by of ${JSON.stringify(services)}) await import(${JSON.stringify(new URL('../../../services', import.meta.url).href)} + '/' + by + '/service.ts');
    by = 'tracing';
    const { startTracing } = await import(${JSON.stringify(new URL('start-tracing.ts', import.meta.url).href)});
    await startTracing({ config: { OTEL_EXPORTER_OTLP_ENDPOINT: process.argv[1] || undefined, OTEL_SDK_DISABLED: false,
      OTEL_TRACES_SAMPLER: 'always_on' }, service: 'test', logger: undefined });
    process.exit();`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program, '--', endpoint];
  const child = spawn(process.execPath, args, {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect(code).toBe(0);
  return output.split('\n').filter((line) => line !== '');
}

test('no service loads anything of it when it does not trace', async () => {
  const services = ['ingestor', 'router', 'partner-worker', 'large-file-worker', 'retry-sweeper', 'control-api'];
  expect(await loadedBy(services, '')).toEqual([]);
});

test('what is loaded is seen by this test', async () => {
  expect(await loadedBy(['router'], receiver.url)).not.toEqual([]);
});
