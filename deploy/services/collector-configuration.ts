/**
 * The collector beside each task: reads `/metrics` of its service every 15 s.
 *
 * 1. Everything goes to the Prometheus workspace.
 * 2. The few gauges about the whole fleet, by which tasks are scaled and CloudWatch alarms are raised, go there too, by way of the logs.
 *    Every sweeper shows them: they are read as their maximum.
 */
import { FLEET_GAUGES } from '../alarms/fleet-gauges.ts';

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
  const showsFleet = service === 'retry-sweeper';
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
      resourcedetection: { detectors: ['env', 'ecs'] },
      batch: { timeout: '15s' },
      ...(showsFleet && {
        'filter/fleet': {
          metrics: { include: { match_type: 'strict', metric_names: FLEET_GAUGES.map(({ name }) => name) } },
        },
      }),
    },
    exporters: {
      prometheusremotewrite: {
        endpoint: remoteWriteUrl,
        auth: { authenticator: 'sigv4auth' },
        resource_to_telemetry_conversion: { enabled: true },
      },
      ...(showsFleet && {
        awsemf: {
          region,
          namespace,
          log_group_name: logGroupName,
          log_stream_name: '{TaskId}',
          dimension_rollup_option: 'NoDimensionRollup',
          metric_declarations: FLEET_GAUGES.map(({ name, labels }) => ({
            dimensions: [['service', ...labels]],
            metric_name_selectors: [`^${name}$`],
          })),
        },
      }),
    },
    service: {
      extensions: ['sigv4auth', 'health_check'],
      pipelines: {
        metrics: {
          receivers: ['prometheus'],
          processors: ['resourcedetection', 'batch'],
          exporters: ['prometheusremotewrite'],
        },
        ...(showsFleet && {
          'metrics/fleet': { receivers: ['prometheus'], processors: ['filter/fleet', 'batch'], exporters: ['awsemf'] },
        }),
      },
    },
  };
}
