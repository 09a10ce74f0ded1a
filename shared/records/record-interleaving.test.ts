/** The first transaction commits; `record-interleaving.long.test.ts` has those that are rolled back or cut. */
import { interleaveRecords } from '#testkit/checks/interleave-records.ts';

interleaveRecords(['commit']);
