/**
 * The variables of services that copy objects: what a process holds in memory for it, when a copy is taken for stalled, and which stores
 * elsewhere it may reach.
 */

import { networksVariable } from './fleet-variables.ts';
import { integerVariable } from './load-config.ts';

const MIB = 1024 ** 2;

export const copyVariables = {
  /** Times the next: the memory of streamed copies, over all of the process. */
  LONGSHORE_COPY_PARTS: integerVariable({ min: 1, max: 1_000 }).default(4),
  /** S3 takes no parts under 5 MiB. A file of over 10,000 such parts gets larger ones, which are not held. */
  LONGSHORE_COPY_PART_BYTES: integerVariable({ min: 5 * MIB, max: 1_024 * MIB }).default(8 * MIB),
  /** A copy of which no byte moves for so long gives its slot up; its request is aborted and sent again at two thirds of that. */
  LONGSHORE_COPY_STALL_MS: integerVariable({ min: 100, max: 600_000 }).default(60_000),
  /** Addresses of external stores that are not public and may be written to all the same; without it none. */
  LONGSHORE_STORE_ADDRESSES: networksVariable.optional(),
};
