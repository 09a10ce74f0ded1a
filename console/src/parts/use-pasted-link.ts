/**
 * A sign-in link that is opened in a tab which shows the page already changes the fragment alone: the browser loads nothing. The page is loaded
 * again, as with a link in a new tab.
 */
import { useEffect } from 'react';

export function usePastedLink(isLink: (fragment: string) => boolean): void {
  useEffect(() => {
    const look = () => isLink(location.hash) && location.reload();
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, [isLink]);
}
