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
