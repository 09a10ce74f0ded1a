/**
 * The services as tasks: their configuration as the code reads it, and where they stand.
 *
 * 1. Every variable is read by the service's own schema while the stacks are made: a value it refuses fails the synthesis.
 * 2. A stop timeout follows from the drain time, which the same variable gives to the service.
 */
import { readConfig as loadControlApiConfig } from '#services/control-api/config.ts';
import { loadIngestorConfig } from '#services/ingestor/config.ts';
import { loadLargeFileWorkerConfig } from '#services/large-file-worker/config.ts';
import { loadPartnerWorkerConfig } from '#services/partner-worker/config.ts';
import { loadRetrySweeperConfig } from '#services/retry-sweeper/config.ts';
import { loadRouterConfig } from '#services/router/config.ts';
import { LANES, type Lane } from '#shared/definitions/lanes.ts';
import { type QueueId, STEP_QUEUES } from '#shared/runtime/config/resource-names.ts';
import type { ScaledService } from '#shared/scaling/service-capacities.ts';

export type ServiceName = ScaledService | 'retry-sweeper' | 'control-api';

interface TaskConfig {
  readonly DATABASE_POOL_MAX: number;
  readonly LONGSHORE_DRAIN_MS: number;
  readonly LONGSHORE_HTTP_PORT: number;
}

export interface CatalogueEntry {
  readonly name: ServiceName;
  readonly loadConfig: (env: Record<string, string>) => TaskConfig;
  /** In addition to those of the fleet. */
  readonly variables: Readonly<Record<string, string>>;
  /** Only what calls partners, sends them something, or signs people in may leave the network. */
  readonly subnets: 'fleet' | 'egress';
  /** The queue it scales on. */
  readonly queue?: QueueId;
  /** The lane whose steps are all that it takes. */
  readonly lane?: Lane;
  /** Pools in one process. */
  readonly pools: number;
  /** Share of the database's connections that scaling may take. */
  readonly connectionWeight: number;
  /**
   * How many times the tasks that take all of the database may run: once where tasks do little else, more often where they wait for
   * partners meanwhile; undefined where the database is not what bounds them.
   */
  readonly ofDatabase?: number;
}

export const SERVICES: readonly CatalogueEntry[] = [
  {
    name: 'ingestor',
    loadConfig: loadIngestorConfig,
    variables: {},
    subnets: 'fleet',
    queue: 'landing',
    pools: 1,
    connectionWeight: 1,
    ofDatabase: 1,
  },
  {
    name: 'router',
    loadConfig: loadRouterConfig,
    variables: {},
    subnets: 'fleet',
    queue: 'ingest',
    pools: 1,
    connectionWeight: 1,
    ofDatabase: 1,
  },
  {
    name: 'partner-worker',
    loadConfig: loadPartnerWorkerConfig,
    variables: {},
    subnets: 'egress',
    queue: 'partner-steps',
    pools: 1,
    connectionWeight: 6,
    ofDatabase: 4,
  },
  {
    name: 'large-file-worker',
    loadConfig: loadLargeFileWorkerConfig,
    // A copy continues elsewhere from its last part, yet a minute and a half ends most of them here.
    variables: { LONGSHORE_DRAIN_MS: '90000' },
    subnets: 'egress',
    queue: 'work',
    pools: 1,
    connectionWeight: 2,
  },
  {
    name: 'retry-sweeper',
    loadConfig: loadRetrySweeperConfig,
    variables: {},
    subnets: 'egress',
    pools: 1,
    connectionWeight: 0,
  },
  {
    name: 'control-api',
    loadConfig: loadControlApiConfig,
    variables: {},
    subnets: 'egress',
    pools: 2,
    connectionWeight: 0,
  },
];

interface Deployed {
  readonly name: ServiceName;
  readonly lane?: Lane | undefined;
}

/** Of the service on ECS, of its log and of its task definition. */
export function deployedName({ name, lane }: Deployed): string {
  return lane === undefined ? name : `${name}-${lane}`;
}

/** With a partner-worker for each of these lanes, which scales on that lane's queue; the first one takes the other lanes. */
export function deployedServices(ownLanes: readonly Lane[]): readonly CatalogueEntry[] {
  if (ownLanes.length === 0) return SERVICES;
  const others = LANES.filter((lane) => !ownLanes.includes(lane)).join(',');
  return SERVICES.flatMap((entry) =>
    entry.name !== 'partner-worker'
      ? [entry]
      : [
          { ...entry, variables: { ...entry.variables, LONGSHORE_LANES: others } },
          ...ownLanes.map((lane) => ({
            ...entry,
            lane,
            queue: STEP_QUEUES[lane],
            variables: { ...entry.variables, LONGSHORE_LANES: lane },
          })),
        ],
  );
}

/** For connections to close after the drain, and for the platform's own delays; see `runService`. */
const CLOSE_SECONDS = 5;

export function stopTimeoutSeconds({ LONGSHORE_DRAIN_MS }: Pick<TaskConfig, 'LONGSHORE_DRAIN_MS'>): number {
  return Math.ceil(LONGSHORE_DRAIN_MS / 1_000) + CLOSE_SECONDS;
}
