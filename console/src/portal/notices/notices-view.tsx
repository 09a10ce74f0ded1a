/** What this tenant should have been notified of, and no channel took. */
import { ParkedNotices } from '../../parts/notices/parked-notices.tsx';

export default function NoticesView() {
  return (
    <>
      <ParkedNotices heading="h1" />
      <p className="muted">A notice is here when its channel refused it, or did not answer, for hours.</p>
    </>
  );
}
