/** Every pair of transitions, whose first one commits, is rolled back, or loses its connection. */
import { interleaveJobs } from '#testkit/checks/interleave-jobs.ts';

interleaveJobs(['commit', 'rollback', 'cut']);
