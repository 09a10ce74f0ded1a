/** What is small in a fleet for development and large in one for production; everything else is the same in both. */
import { maxConnections } from '#shared/scaling/task-ceiling.ts';
import type { ServiceName } from './services/service-catalogue.ts';

export interface TaskSize {
  /** 1,024 is one processor. */
  readonly cpu: number;
  readonly memoryMiB: number;
  readonly minTasks: number;
}

export interface FleetSize {
  readonly natGateways: number;
  readonly databaseCapacity: { readonly min: number; readonly max: number };
  readonly databaseReaders: number;
  readonly backupDays: number;
  /** How often the database's hosts report processes and memory (RDS enhanced monitoring); 0 is never. */
  readonly databaseMonitoringSeconds: 0 | 60;
  /** Buckets, keys and the database outlive a deleted stack. */
  readonly isKept: boolean;
  readonly logRetentionDays: 14 | 90;
  readonly archiveDays: number;
  /** Interruptible capacity: half to a third of the price; every task may be stopped within two minutes. */
  readonly useSpot: boolean;
  readonly tasks: Readonly<Record<ServiceName, TaskSize>>;
}

const small = { cpu: 256, memoryMiB: 512, minTasks: 1 };

export const FLEET_SIZES: Readonly<Record<'dev' | 'prod', FleetSize>> = {
  dev: {
    natGateways: 1,
    databaseCapacity: { min: 0.5, max: 2 },
    databaseReaders: 0,
    backupDays: 1,
    databaseMonitoringSeconds: 0,
    isKept: false,
    logRetentionDays: 14,
    archiveDays: 30,
    useSpot: true,
    tasks: {
      ingestor: small,
      router: small,
      'partner-worker': { ...small, cpu: 512, memoryMiB: 1_024 },
      'large-file-worker': small,
      'retry-sweeper': small,
      'control-api': small,
    },
  },
  prod: {
    natGateways: 3,
    databaseCapacity: { min: 2, max: 32 },
    databaseReaders: 1,
    backupDays: 14,
    databaseMonitoringSeconds: 60,
    isKept: true,
    logRetentionDays: 90,
    archiveDays: 365,
    useSpot: false,
    tasks: {
      ingestor: { cpu: 512, memoryMiB: 1_024, minTasks: 2 },
      router: { cpu: 512, memoryMiB: 1_024, minTasks: 2 },
      'partner-worker': { cpu: 1_024, memoryMiB: 2_048, minTasks: 2 },
      'large-file-worker': { cpu: 1_024, memoryMiB: 2_048, minTasks: 1 },
      'retry-sweeper': { cpu: 512, memoryMiB: 1_024, minTasks: 2 },
      'control-api': { cpu: 512, memoryMiB: 1_024, minTasks: 2 },
    },
  },
};

export function databaseConnections({ databaseCapacity }: FleetSize): number {
  return maxConnections(databaseCapacity.max);
}
