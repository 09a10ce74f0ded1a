/** Of a small file, from its arrival to its end: what is promised for 95 % of them (docs/operations/observability.md). By it a file is counted as late. */
export const SMALL_FILE_SECONDS = 30;
