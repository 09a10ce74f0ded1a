/** The first transaction commits; `interleaving.long.test.ts` has those that are rolled back or cut. */
import { interleaveJobs } from '#testkit/checks/interleave-jobs.ts';

interleaveJobs(['commit']);
