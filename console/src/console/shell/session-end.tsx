/** Warns two minutes before the session ends, with a button that keeps it where that is possible. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { get } from '../../api/client.ts';
import type { Me } from '../../api/me.ts';
import { format } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import styles from './shell.module.css';

const WARNED_MS = 120_000;
const LOOK_MS = 10_000;

export function SessionEnd() {
  const [now, setNow] = useState(Date.now);
  const { data, refetch } = useQuery({
    queryKey: ['session-end'],
    // Looking must not be what keeps the session.
    queryFn: ({ signal }) => get<Me>('/api/v1/me', { headers: { 'x-longshore-background': '1' }, signal }),
    refetchInterval: LOOK_MS,
  });
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const ends = data?.session?.ends_at;
  if (ends === undefined || Date.parse(ends) - now > WARNED_MS) return null;

  async function stay(): Promise<void> {
    await get<Me>('/api/v1/me');
    const { data: after } = await refetch();
    if (after?.session && Date.parse(after.session.ends_at) - Date.now() < WARNED_MS)
      say('It has lasted as long as a session may. Sign in again when it has ended; nothing typed is lost.');
  }

  return (
    <p className={styles.away} role="alert">
      Your session ends at {format(new Date(ends), undefined, false, now, false)}.{' '}
      <button type="button" onClick={() => void stay().catch(() => undefined)}>
        Stay signed in
      </button>
    </p>
  );
}
