/** The first transaction is rolled back, or its connection is cut. */
import { interleaveRecords } from '#testkit/checks/interleave-records.ts';

interleaveRecords(['rollback', 'cut']);
