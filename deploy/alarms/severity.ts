/** Who is called by an alarm: `page` wakes somebody, as files wait or are lost to view; `ticket` waits for the morning. */

export type Severity = 'page' | 'ticket';

/** Alerts of `prometheus/rules.yaml` that page, and that have an alarm of CloudWatch which pages too. */
export const PAGED_BY_CLOUDWATCH = [
  'CopiesStalled',
  'FilesFailFast',
  'EffectsInDoubt',
  'SweeperSilent',
  'DatabaseConnectionsHigh',
  'ApiErrors',
  'UploadsFail',
] as const;
