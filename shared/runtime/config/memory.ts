/**
 * What bounds a process's memory, the same in containers, on one machine, in tests and in benchmarks.
 *
 * Left alone, V8 lets its young generation grow to 130 MB under load, and glibc keeps an arena for every thread of the pool. The heap of old
 * objects stays small whatever the task: bytes of files are never in it.
 */

export const MEMORY_VARIABLES = {
  NODE_OPTIONS: '--max-semi-space-size=2 --max-old-space-size=256',
  MALLOC_ARENA_MAX: '2',
  // From there on memory goes back to the system once it is free; glibc would raise the bound to the largest piece that it saw, and
  // keep parts of files.
  MALLOC_MMAP_THRESHOLD_: '1048576',
} as const;

/**
 * Options of Node itself that count more than `NODE_OPTIONS`, which does not take all of them.
 *
 * 1. Bytes that stream through lie outside of the heap, and V8 collects the whole heap for every 20 MB of them until it is told that
 *    48 MB are nothing to collect for: measured, a quarter of the processor's time of a streamed copy and a sixth of that of a parsed row. The
 *    heap counts too: of the large-file-worker's 28 MB, so that it has 56. More saves more (none at 96), and takes 30 MB beyond its 256.
 *    What lies about between two collections of the young generation is less the smaller that is.
 * 2. What the control API allocates for a request is garbage right after it; V8 would let 15 MB of it grow old before it collects.
 * 3. Rows of a file and replies of partners outlive a small young generation, and moving them costs more than reading them.
 */
export function memoryFlags(service: string): readonly string[] {
  switch (service) {
    case 'control-api':
      return ['--optimize-for-size'];
    case 'large-file-worker':
      return ['--max-semi-space-size=1', '--initial-old-space-size=56'];
    case 'partner-worker':
      return ['--max-semi-space-size=16', '--initial-old-space-size=48'];
    case 'ingestor':
    case 'router':
    case 'retry-sweeper':
    case 'event-bridge':
    case 'queues':
    case 's3':
      return ['--max-semi-space-size=8'];
    default:
      return [];
  }
}
