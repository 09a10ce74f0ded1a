/** The first transaction is rolled back, or its connection is cut. */
import { interleaveJobs } from '#testkit/checks/interleave-jobs.ts';

interleaveJobs(['rollback', 'cut']);
