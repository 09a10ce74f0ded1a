/**
 * The variables of traces, with the names that OpenTelemetry gives them. Without an endpoint nothing is traced.
 *
 * Headers, certificates, compression and timeout of the exporter, and further attributes of the process (`OTEL_EXPORTER_OTLP_HEADERS`,
 * `OTEL_RESOURCE_ATTRIBUTES` ...) are read by the SDK itself, as the AWS SDK reads its credentials: no configuration that is logged holds them.
 */
import { z } from 'zod';
import { booleanVariable } from '#shared/runtime/config/load-config.ts';

const url = z.url({ protocol: /^https?$/ });

export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

export const tracingVariables = {
  /** Of an OTLP receiver, e.g. `http://localhost:4318`; `/v1/traces` is added. */
  OTEL_EXPORTER_OTLP_ENDPOINT: url.optional(),
  /** The whole URL for traces, in place of the one above. */
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url.optional(),
  /** The one that is spoken here; any other is refused at start. */
  OTEL_EXPORTER_OTLP_PROTOCOL: z.literal('http/protobuf').default('http/protobuf'),
  /** Off in spite of an endpoint. */
  OTEL_SDK_DISABLED: booleanVariable.default(false),
  /** In place of the service's own name. */
  OTEL_SERVICE_NAME: z.string().max(128).optional(),
  OTEL_TRACES_SAMPLER: z.enum(SAMPLERS).default('parentbased_always_on'),
  /** Share of files that are traced, 0 to 1, for the samplers by ratio. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number<unknown>().pipe(z.number().min(0).max(1)).default(1),
};

export type TracingConfig = z.output<z.ZodObject<typeof tracingVariables>>;

/** Where spans are sent; undefined when nothing is traced. */
export function tracesUrl(config: TracingConfig): string | undefined {
  if (config.OTEL_SDK_DISABLED) return undefined;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own } = config;
  return own ?? (endpoint === undefined ? undefined : `${endpoint.replace(/\/+$/, '')}/v1/traces`);
}
