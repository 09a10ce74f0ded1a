/** A state by word, sign and colour, never by colour alone. */
import styles from './state-badge.module.css';

type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'calm';

const SIGNS: Readonly<Record<Tone, string>> = { good: '✓', bad: '✕', warn: '▲', busy: '●', calm: '○' };
const TONES: Readonly<Record<string, Tone>> = {
  completed: 'good',
  succeeded: 'good',
  success: 'good',
  done: 'good',
  delivered: 'good',
  confirmed: 'good',
  closed: 'good',
  ok: 'good',
  met: 'good',
  failed: 'bad',
  error: 'bad',
  failing: 'bad',
  blocked: 'bad',
  late: 'bad',
  missed: 'bad',
  rejected: 'bad',
  aborted: 'bad',
  open: 'bad',
  parked: 'bad',
  quarantined: 'warn',
  ambiguous: 'warn',
  held: 'warn',
  met_late: 'warn',
  at_risk: 'warn',
  paused: 'warn',
  awaiting_approval: 'warn',
  processing: 'busy',
  running: 'busy',
  awaited: 'busy',
  triggered: 'busy',
  copying: 'busy',
  completing: 'busy',
};

export function StateBadge({ state, title }: { readonly state: string; readonly title?: string | undefined }) {
  const tone = TONES[state.toLowerCase()] ?? 'calm';
  return (
    <span className={`${styles.badge} ${styles[tone]}`} title={title}>
      <span aria-hidden="true">{SIGNS[tone]}</span> {state.toLowerCase().replaceAll('_', ' ')}
    </span>
  );
}
