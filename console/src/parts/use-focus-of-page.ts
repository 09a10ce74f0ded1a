/** Who goes to another page is at its beginning there, and not behind the link that was followed, or nowhere when the page had it. */
import { useEffect, useRef } from 'react';

export function useFocusOfPage(path: string): void {
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    document.getElementById('main')?.focus({ preventScroll: true });
  }, [path]);
}
