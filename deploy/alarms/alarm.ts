/** What every alarm says: why somebody is called, and where to read what to do. */

export interface AlarmFacts {
  readonly id: string;
  /** What is wrong for whom, in a sentence. */
  readonly reason: string;
  /** Page and anchor of its section under docs/operations/alerts/, e.g. `work.md#work-stands`. */
  readonly runbook: string;
}

/** Relative to the repository, as every installation has a checkout. */
export const describeAlarm = ({ reason, runbook }: AlarmFacts): string =>
  `${reason} What to do: docs/operations/alerts/${runbook}`;
