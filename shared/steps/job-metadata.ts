/** What an object says of the job that wrote it, whatever step it was. */

/** Metadata by which a repeated try recognises what an earlier one wrote. */
export const KEY_METADATA = 'longshore-key';
export const JOB_METADATA = 'longshore-job';
