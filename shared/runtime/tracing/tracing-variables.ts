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
  OTEL_EXPORTER_OTLP_ENDPOINT: url
    .optional()
    .describe('OTLP receiver for traces, such as `http://localhost:4318`. Without it nothing is traced.'),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url
    .optional()
    .describe('Full URL for traces. Replaces the endpoint above with `/v1/traces` appended.'),
  OTEL_EXPORTER_OTLP_PROTOCOL: z
    .literal('http/protobuf')
    .default('http/protobuf')
    .describe('The only supported protocol; any other value is rejected at startup.'),
  OTEL_SDK_DISABLED: booleanVariable
    .default(false)
    .describe('Set `true` to disable tracing even if an endpoint is set.'),
  OTEL_SERVICE_NAME: z.string().max(128).optional().describe("Replaces the service's own name in traces."),
  OTEL_TRACES_SAMPLER: z
    .enum(SAMPLERS)
    .default('parentbased_always_on')
    .describe(
      'Which files are traced: also `parentbased_traceidratio`, `parentbased_always_off`, or each without `parentbased_`. Use the same value for every service.',
    ),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number<unknown>()
    .pipe(z.number().min(0).max(1))
    .default(1)
    .describe('Share of files, 0 to 1, for the ratio samplers.'),
};

export type TracingConfig = z.output<z.ZodObject<typeof tracingVariables>>;

/** Where spans are sent; undefined when nothing is traced. */
export function tracesUrl(config: TracingConfig): string | undefined {
  if (config.OTEL_SDK_DISABLED) return undefined;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own } = config;
  return own ?? (endpoint === undefined ? undefined : `${endpoint.replace(/\/+$/, '')}/v1/traces`);
}
