/**
 * How the policy is carried out on Fargate, and how late: `deploy/` makes its alarms and policies from these numbers, and `simulate/` plays a
 * day by them.
 */

export const FARGATE_SCALING = {
  /** One reading of each metric a minute (Amazon SQS, "Available CloudWatch metrics"; Container Insights). */
  readingSeconds: 60,
  /** From the end of a minute until its reading is acted on. AWS promises nothing; a minute is what it usually is. */
  readingDelaySeconds: 60,
  /** Target tracking grows when so many readings in a row are over the target: its own alarm, which cannot be changed. */
  growReadings: 3,
  /**
   * Within it what was just added counts as not there yet: a reading in which the new tasks run is a task's start, a minute of it and its
   * delay away, and a sooner one would ask for the same tasks again.
   */
  growCooldownSeconds: 180,
  /** Something late is not waited for: one reading. */
  lateReadings: 1,
  lateCooldownSeconds: 60,
  /** Tasks go when so many readings in a row could do without: longer than the pauses within a burst. */
  quietReadings: 15,
  /** Between two steps of letting go. */
  shrinkCooldownSeconds: 180,
  /** A tenth at a time: a task that was let go too early is missing for minutes. */
  largestShrink: 0.1,
  /** From asking for a task to its first file: network interface, image of some 150 MB, start. An estimate, see `--task-start`. */
  taskStartSeconds: 60,
} as const;
