/**
 * The instances of each service: the first is part of the stack, further ones come and go next to it.
 *
 * 1. The one that came last leaves first, and drains: SIGTERM, and it is waited for.
 * 2. Prometheus finds all of them in a file that names them, written whole with every change.
 */
import { renameSync, writeFileSync } from 'node:fs';
import type { Children, ChildToStart } from '#local/launcher/children.ts';
import type { ServiceName } from '#local/launcher/processes.ts';
import { PORTS_PER_INSTANCE, type Ports } from '#local/ports.ts';

export interface ServiceInstancesOptions {
  /** Each runs with one instance already. */
  readonly services: readonly ServiceName[];
  readonly children: Children;
  readonly childOf: (service: ServiceName, instance: number) => ChildToStart;
  readonly host: string;
  readonly ports: Ports;
  readonly targetsFile: string;
}

export interface ServiceInstances {
  count(service: ServiceName): number;
  /** In addition to the first of each. */
  furtherCount(): number;
  /** @throws when it does not become ready */
  grow(service: ServiceName): Promise<void>;
  /** Resolves when it has ended. The first stays. */
  shrink(service: ServiceName): Promise<void>;
}

export function createServiceInstances(options: ServiceInstancesOptions): ServiceInstances {
  const { children, host, ports, targetsFile } = options;
  const { logger } = children;
  const counts = new Map(options.services.map((service) => [service, 1]));
  const count = (service: ServiceName) => counts.get(service) ?? 0;
  writeTargets();

  function setCount(service: ServiceName, instances: number): void {
    counts.set(service, instances);
    writeTargets();
  }

  /** In the form of Prometheus's `file_sd_configs`. */
  function writeTargets(): void {
    const of = (job: string, port: number) => ({ targets: [`${host}:${port}`], labels: { job } });
    const instances = [...counts].flatMap(([service, running]) =>
      Array.from({ length: running }, (_, index) => of(service, ports[service] + index * PORTS_PER_INSTANCE)),
    );
    const targets = [...instances, of('sftp', ports['sftp-metrics']), of('event-bridge', ports['event-bridge'])];
    writeFileSync(`${targetsFile}.partial`, `${JSON.stringify(targets, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${targetsFile}.partial`, targetsFile);
  }

  return {
    count,
    furtherCount: () => [...counts.values()].reduce((sum, instances) => sum + instances - 1, 0),
    grow: async (service) => {
      const instance = count(service) + 1;
      await children.join(options.childOf(service, instance));
      setCount(service, instance);
      logger.info({ service, instance }, 'instance started');
    },
    shrink: async (service) => {
      const instance = count(service);
      if (instance < 2) return;
      setCount(service, instance - 1);
      await children.leave(instanceName(service, instance));
      logger.info({ service, instance }, 'instance drained and stopped');
    },
  };
}

/** Of a process and its log: the first has the service's own name. */
export function instanceName(service: ServiceName, instance: number): string {
  return instance === 1 ? service : `${service}-${instance}`;
}
