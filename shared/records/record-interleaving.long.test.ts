/** Every pair of transitions, whose first one commits, is rolled back, or loses its connection. */
import { interleaveRecords } from '#testkit/checks/interleave-records.ts';

interleaveRecords(['commit', 'rollback', 'cut']);
