/** The states of a file in a partner's words. */
const WORDS: Readonly<Record<string, string>> = {
  uploaded: 'received',
  queued: 'received',
  processing: 'being checked',
  completed: 'delivered',
  failed: 'needs you',
  quarantined: 'not accepted',
  companion: 'received',
  // The fleet of its home region works on it.
  elsewhere: 'being checked',
};

/** What a partner looks for, by the states of the API. */
export const STATES_TO_FIND: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(
    Object.groupBy(
      ['uploaded', 'queued', 'processing', 'completed', 'failed', 'quarantined'],
      (status) => WORDS[status] ?? status,
    ),
  ).map(([word, statuses]) => [word, (statuses ?? []).join(',')]),
);

const STEPS: Readonly<Record<string, string>> = {
  PENDING: 'begins soon',
  RUNNING: 'in progress',
  WAITING: 'in progress, and continues on its own',
  SUCCEEDED: 'done',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
};

/** What only others can end. */
const WAITS: Readonly<Record<string, string>> = {
  HELD: 'waits until a person has looked at it',
  BATCH: 'waits for the other files of its batch',
  TURN: 'waits for the file before it',
  QUIET_HOURS: 'waits for the end of the quiet hours',
  PARTNER_PAUSED: 'waits until the system that it goes to takes files again',
  PARTNER_BREAKER_OPEN: 'waits until the system that it goes to takes files again',
  WINDOW: 'waits for the hours in which it can be delivered',
};

export function stepWordOf({ state, wait_reason: reason }: { state: string; wait_reason: string | null }): string {
  return (state === 'WAITING' ? WAITS[reason ?? ''] : undefined) ?? STEPS[state] ?? state.toLowerCase();
}

/** Never by the word alone. */
const SIGNS: Readonly<Record<string, string>> = {
  delivered: '✓',
  'needs you': '▲',
  'not accepted': '✕',
};

export function signOf(word: string): string {
  return SIGNS[word] ?? '●';
}

export function wordOf(status: string): string {
  return WORDS[status.toLowerCase()] ?? status.toLowerCase();
}
