/** Who is called by an alarm: `page` wakes somebody, as files wait or are lost to view; `ticket` waits for the morning. */

import type { ITopic } from 'aws-cdk-lib/aws-sns';

export const SEVERITIES = ['page', 'ticket'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Where its people are called. */
export type Topics = Readonly<Record<Severity, ITopic>>;

export const OTHER: Readonly<Record<Severity, Severity>> = { page: 'ticket', ticket: 'page' };

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
