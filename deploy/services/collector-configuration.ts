/**
 * The collector next to each task: reads `/metrics` of its service every 15 s.
 *
 * 1. Everything goes to the Prometheus workspace.
 * 2. The few by which tasks are scaled and CloudWatch alarms are raised go there too, by way of the logs. What is about the whole fleet every
 *    sweeper shows: it is read as its maximum.
 */
import { cloudWatchMetricsOf } from '../alarms/task-metrics.ts';

export interface CollectorOptions {
  readonly service: string;
  readonly port: number;
  readonly region: string;
  readonly remoteWriteUrl: string;
  readonly namespace: string;
  readonly logGroupName: string;
}

export function collectorConfiguration(options: CollectorOptions): object {
  const { service, port, region, remoteWriteUrl, namespace, logGroupName } = options;
  const given = cloudWatchMetricsOf(service);
  const hasAlarms = given.length > 0;
  return {
    extensions: { sigv4auth: { region, service: 'aps' }, health_check: { endpoint: '127.0.0.1:13133' } },
    receivers: {
      prometheus: {
        config: {
          scrape_configs: [
            {
              // The rules tell services apart by their job.
              job_name: service,
              scrape_interval: '15s',
              static_configs: [{ targets: [`127.0.0.1:${port}`], labels: { service } }],
            },
          ],
        },
      },
    },
    processors: {
      // Refuses before the container is killed for its memory: what is refused is scraped again.
      memory_limiter: { check_interval: '1s', limit_percentage: 75, spike_limit_percentage: 20 },
      resourcedetection: { detectors: ['env', 'ecs'] },
      batch: { timeout: '15s' },
      ...(hasAlarms && {
        'filter/cloudwatch': {
          metrics: { include: { match_type: 'strict', metric_names: given.map(({ name }) => name) } },
        },
      }),
    },
    exporters: {
      prometheusremotewrite: {
        endpoint: remoteWriteUrl,
        auth: { authenticator: 'sigv4auth' },
        resource_to_telemetry_conversion: { enabled: true },
      },
      ...(hasAlarms && {
        awsemf: {
          region,
          namespace,
          log_group_name: logGroupName,
          log_stream_name: '{TaskId}',
          dimension_rollup_option: 'NoDimensionRollup',
          // Else the first fault that a counter with its own labels shows would be taken for what was there before.
          retain_initial_value_of_delta_metric: true,
          metric_declarations: given.map(({ name, labels, only }) => ({
            dimensions: [['service', ...labels]],
            metric_name_selectors: [`^${name}$`],
            ...(only && { label_matchers: [{ label_names: [only.label], regex: `^(${only.values.join('|')})$` }] }),
          })),
        },
      }),
    },
    service: {
      extensions: ['sigv4auth', 'health_check'],
      pipelines: {
        metrics: {
          receivers: ['prometheus'],
          processors: ['memory_limiter', 'resourcedetection', 'batch'],
          exporters: ['prometheusremotewrite'],
        },
        ...(hasAlarms && {
          'metrics/cloudwatch': {
            receivers: ['prometheus'],
            // The name of the stream is an attribute that detection adds.
            processors: ['memory_limiter', 'filter/cloudwatch', 'resourcedetection', 'batch'],
            exporters: ['awsemf'],
          },
        }),
      },
    },
  };
}
