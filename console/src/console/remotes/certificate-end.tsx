/** When a certificate ends, marked in the days in which it has to be renewed. */
import { Time } from '../../parts/time.tsx';

/** As the alarm has it. */
const SOON_MS = 7 * 24 * 3_600_000;

export function CertificateEnd({ at, tenant }: { readonly at: string | null; readonly tenant: string }) {
  if (at === null) return '–';
  const left = Date.parse(at) - Date.now();
  return (
    <>
      {left < SOON_MS && <span aria-hidden="true">▲ </span>}
      <Time at={at} tenant={tenant} />
      {left < SOON_MS && (left < 0 ? ', has ended' : ', soon')}
    </>
  );
}
