/** What a worker of jobs shows. Label sets are bounded by the configuration: tenants, routes and kinds, never files or ids. */
import { Counter, Histogram, type Registry } from 'prom-client';
import { SMALL_FILE_SECONDS } from '#shared/runtime/config/small-file-seconds.ts';

export interface JobMetrics {
  readonly stepSeconds: Histogram<'kind' | 'outcome'>;
  readonly jobs: Counter<'outcome'>;
  readonly files: Counter<'tenant' | 'route' | 'outcome'>;
  readonly fileBytes: Counter<'tenant' | 'route' | 'outcome'>;
  readonly fileSeconds: Histogram<'class' | 'outcome'>;
  readonly smallFiles: Counter<'pace'>;
  readonly leasesLost: Counter<'kind'>;
  readonly archives: Counter<'outcome'>;
  readonly archiveSeconds: Histogram;
  readonly copiedBytes: Counter<'plan'>;
  readonly groupSize: Histogram<'statement'>;
  readonly wakeUpsUnsent: Counter;
}

/** Call once per registry: prom-client refuses a second metric of the same name. */
export function createJobMetrics(registry: Registry): JobMetrics {
  const registers = [registry];
  const byRoute = ['tenant', 'route', 'outcome'] as const;
  const smallFiles = new Counter({
    name: 'longshore_small_files_total',
    help: `Small files that ended, by whether within ${SMALL_FILE_SECONDS} s of their arrival: for CloudWatch, which is given no histograms.`,
    labelNames: ['pace'] as const,
    registers,
  });
  // A counter that begins at 1 has no increase.
  for (const pace of ['in time', 'late']) smallFiles.inc({ pace }, 0);
  const leasesLost = new Counter({
    name: 'longshore_leases_lost_total',
    help: 'Leases on jobs and files that ended while this worker was at work on them.',
    labelNames: ['kind'] as const,
    registers,
  });
  for (const kind of ['job', 'file', 'chunk']) leasesLost.inc({ kind }, 0);
  return {
    smallFiles,
    leasesLost,
    fileSeconds: new Histogram({
      name: 'longshore_file_seconds',
      help: 'From a file’s arrival, i.e. the end of its upload, to its end, archived: small, large, with records, or attended by a person.',
      labelNames: ['class', 'outcome'] as const,
      buckets: [0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 900, 3600, 14400],
      registers,
    }),
    stepSeconds: new Histogram({
      name: 'longshore_job_step_seconds',
      help: 'Run time of one try of a step, by what it came to.',
      labelNames: ['kind', 'outcome'] as const,
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200],
      registers,
    }),
    jobs: new Counter({
      name: 'longshore_jobs_total',
      help: 'Jobs that left this worker’s hands, by where they went.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    files: new Counter({
      name: 'longshore_files_total',
      help: 'Files that ended on a route, by outcome.',
      labelNames: byRoute,
      registers,
    }),
    fileBytes: new Counter({
      name: 'longshore_file_bytes_total',
      help: 'Bytes of files that ended on a route, by outcome.',
      labelNames: byRoute,
      registers,
    }),
    archives: new Counter({
      name: 'longshore_archives_total',
      help: 'Tries to archive a file, by outcome.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    archiveSeconds: new Histogram({
      name: 'longshore_archive_seconds',
      help: 'Run time of one try to archive a file.',
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200],
      registers,
    }),
    copiedBytes: new Counter({
      name: 'longshore_copied_bytes_total',
      help: 'Bytes of finished parts of large copies, by plan.',
      labelNames: ['plan'] as const,
      registers,
    }),
    groupSize: new Histogram({
      name: 'longshore_group_commit_rows',
      help: 'Rows in one statement of claims or outcomes.',
      labelNames: ['statement'] as const,
      buckets: [1, 2, 5, 10, 20, 50, 100],
      registers,
    }),
    wakeUpsUnsent: new Counter({
      name: 'longshore_wake_ups_unsent_total',
      help: 'Wake-ups that could not be sent; the sweeper sends them later.',
      registers,
    }),
  };
}
