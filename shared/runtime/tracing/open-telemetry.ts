/**
 * Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. The one file that knows it; loaded by `start-tracing.ts` only.
 *
 * 1. No context of its own: parents are handed on as arguments, nothing is patched, and no global is set.
 * 2. Spans wait in memory, 2,048 at most, and go out 512 at a time, one request after the other. What a collector does not take in time is
 *    dropped: one that hangs or is down costs a log line, and neither memory nor time.
 * 3. Attributes are cut at 256 characters, and a span has 32 at most.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Span as ApiSpan,
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  SamplingDecision,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Logger } from '#shared/runtime/logger.ts';
import { firstSpanIdOf, traceIdOf } from './file-trace.ts';
import { reportExports } from './report-exports.ts';
import type { FinishedCall, Span, SpanFacts, SpanOptions, Tracing } from './tracing.ts';
import type { TracingConfig } from './tracing-variables.ts';

export interface OpenTelemetryOptions {
  readonly config: TracingConfig;
  readonly url: string;
  readonly service: string;
  readonly logger: Logger;
}

const QUEUED_SPANS = 2_048;
const BATCH_SPANS = 512;
const EVERY_MS = 2_000;
/** All that waits, sent at once at the end, and one under way. A collector that answers byte by byte outlasts deadlines, but not this. */
const MOST_REQUESTS = QUEUED_SPANS / BATCH_SPANS + 1;
/** Within what a stopping service has after its drain. */
const FLUSH_MS = 1_000;
const LIMITS = { attributeValueLengthLimit: 256, attributeCountLimit: 32 };

export function startOpenTelemetry({ config, url, service, logger }: OpenTelemetryOptions): Tracing {
  const ids = new FileIds();
  const sampler = createSampler(config);
  const exporter = reportExports(new OTLPTraceExporter({ url, concurrencyLimit: MOST_REQUESTS }), logger);
  const provider = new TracerProvider({
    sampler,
    idGenerator: ids,
    spanLimits: LIMITS,
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': service, 'service.namespace': 'longshore' }))
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector] }))
      .merge(resourceFromAttributes(nameOf(config))),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: QUEUED_SPANS,
        maxExportBatchSize: BATCH_SPANS,
        scheduledDelayMillis: EVERY_MS,
      }),
    ],
  });
  const tracer = provider.getTracer('longshore');
  let stopped: Promise<void> | undefined;
  return {
    begin: (fileId, name, options) =>
      ids.first(fileId, () => new OpenSpan(tracer, tracer.startSpan(name, consumed(options), ROOT_CONTEXT))),
    join(fileId, name, options = {}) {
      const parent = parentIn(fileId, options.traceparent, sampler);
      return new OpenSpan(
        tracer,
        tracer.startSpan(name, consumed(options), trace.setSpanContext(ROOT_CONTEXT, parent)),
      );
    },
    stop() {
      stopped ??= Promise.race([sendRest(provider, exporter), delay(FLUSH_MS, undefined, { ref: false })]);
      return stopped;
    },
  };
}

/** `shutdown` gives up at the first request that fails; the others may still arrive. What is lost is said by `reportExports`. */
async function sendRest(provider: TracerProvider, exporter: SpanExporter): Promise<void> {
  await provider.shutdown().catch(() => undefined);
  await exporter.forceFlush?.().catch(() => undefined);
}

/** OTEL_SERVICE_NAME goes before whatever else names the process. */
function nameOf({ OTEL_SERVICE_NAME: name }: TracingConfig): Attributes {
  return name === undefined ? {} : { 'service.name': name };
}

function consumed({ queue, startedAt, facts = {} }: SpanOptions = {}) {
  return {
    kind: SpanKind.CONSUMER,
    ...(startedAt !== undefined && { startTime: startedAt }),
    attributes: {
      ...toAttributes(facts),
      ...(queue !== undefined && { 'messaging.system': 'aws_sqs', 'messaging.destination.name': queue }),
    },
  };
}

/** The parent that a message names, if it is one of this file's trace; else the file's first span, sampled as that was. */
function parentIn(fileId: string, traceparent: string | undefined, sampler: Sampler): SpanContext {
  const traceId = traceIdOf(fileId);
  const parent = traceparent === undefined ? null : parseTraceParent(traceparent);
  if (parent?.traceId === traceId) return { ...parent, isRemote: true };
  const { decision } = sampler.shouldSample(ROOT_CONTEXT, traceId, '', SpanKind.CONSUMER, {}, []);
  const traceFlags = decision === SamplingDecision.RECORD_AND_SAMPLED ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return { traceId, spanId: firstSpanIdOf(fileId), traceFlags, isRemote: true };
}

class OpenSpan implements Span {
  readonly #tracer: Tracer;
  readonly #span: ApiSpan;
  readonly #context: Context;
  #isEnded = false;

  constructor(tracer: Tracer, span: ApiSpan) {
    this.#tracer = tracer;
    this.#span = span;
    this.#context = trace.setSpan(ROOT_CONTEXT, span);
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }

  child(name: string, facts: SpanFacts = {}): Span {
    return new OpenSpan(this.#tracer, this.#tracer.startSpan(name, { attributes: toAttributes(facts) }, this.#context));
  }

  addCall(name: string, { startedAt, durationMs, facts, fault }: FinishedCall): void {
    const options = { kind: SpanKind.CLIENT, startTime: startedAt, attributes: toAttributes(facts) };
    const span = this.#tracer.startSpan(name, options, this.#context);
    if (fault !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: fault });
    span.end(startedAt.getTime() + durationMs);
  }

  end(facts: SpanFacts = {}, fault?: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#span.setAttributes(toAttributes(facts));
    if (fault !== undefined) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: fault });
    this.#span.end();
  }
}

/** `fileId` in the log is `longshore.file_id` here. */
function toAttributes(facts: SpanFacts): Attributes {
  return Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) =>
      value === undefined || value === null
        ? []
        : [[`longshore.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`, value]],
    ),
  );
}

/** Random ids, but for the first span of a file. */
class FileIds extends RandomIdGenerator {
  #first: string | undefined;

  override generateTraceId(): string {
    return this.#first === undefined ? super.generateTraceId() : traceIdOf(this.#first);
  }

  override generateSpanId(): string {
    return this.#first === undefined ? super.generateSpanId() : firstSpanIdOf(this.#first);
  }

  /** A span is started without a pause in between, so no other one can get these ids. */
  first<Result>(fileId: string, start: () => Result): Result {
    this.#first = fileId;
    try {
      return start();
    } finally {
      this.#first = undefined;
    }
  }
}

function createSampler({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: ratio }: TracingConfig): Sampler {
  const root = rootSampler(name.replace(/^parentbased_/, ''), ratio);
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}

function rootSampler(name: string, ratio: number): Sampler {
  if (name === 'always_off') return new AlwaysOffSampler();
  return name === 'always_on' ? new AlwaysOnSampler() : new TraceIdRatioBasedSampler(ratio);
}
