/** The states of a file in a partner's words. */
const WORDS: Readonly<Record<string, string>> = {
  uploaded: 'received',
  queued: 'received',
  processing: 'being checked',
  completed: 'delivered',
  failed: 'needs you',
  quarantined: 'not accepted',
  companion: 'received',
};

export function wordOf(status: string): string {
  return WORDS[status.toLowerCase()] ?? status.toLowerCase();
}
