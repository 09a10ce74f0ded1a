/**
 * The variables of services that copy objects: what a process holds in memory for it, when a copy is taken for stalled, and which stores
 * elsewhere it may reach.
 */

import { networksVariable } from './fleet-variables.ts';
import { integerVariable } from './load-config.ts';

const MIB = 1024 ** 2;

/** Of a service that connects to remotes. */
export const remoteVariables = {
  LONGSHORE_REMOTE_ADDRESSES: networksVariable
    .optional()
    .describe(
      'Private addresses and networks of remotes (SFTP and FTPS servers of partners) that may be connected to, comma-separated. Use the same value for every service that has it.',
    ),
};

/** Of a service that calls partners. */
export const partnerVariables = {
  LONGSHORE_PARTNER_ADDRESSES: networksVariable
    .optional()
    .describe(
      'Private addresses and networks of partners that may be called, comma-separated, such as `10.1.0.0/16`. Use the same value for every service that has it.',
    ),
};

export const copyVariables = {
  LONGSHORE_COPY_PARTS: integerVariable({ min: 1, max: 1_000 })
    .default(4)
    .describe(
      'Number of parts of streamed copies in flight, over all copies of the process. Multiplied by the part size, this is the memory that copies use.',
    ),
  LONGSHORE_COPY_PART_BYTES: integerVariable({ min: 5 * MIB, max: 1_024 * MIB })
    .default(8 * MIB)
    .describe(
      'Size of a buffered part. Files that would need more than 10,000 such parts use larger parts, which are not buffered.',
    ),
  LONGSHORE_COPY_STALL_MS: integerVariable({ min: 100, max: 600_000 })
    .default(60_000)
    .describe(
      'A copy that makes no progress for this long releases its slot. A request is aborted and sent again after two thirds of this time.',
    ),
  LONGSHORE_STORE_ADDRESSES: networksVariable
    .optional()
    .describe(
      'Private addresses and networks of external stores that may be used, comma-separated. Use the same value for every service that has it.',
    ),
};
