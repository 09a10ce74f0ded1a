/** Tabs and the history of the browser say what a page shows: its heading, which may come with its data, and whose pages they are. */
import { useEffect } from 'react';

export function usePageTitle(owner: string): void {
  useEffect(() => {
    const name = () => {
      const heading = document.querySelector('h1')?.textContent?.trim();
      const title = heading ? `${heading} · ${owner}` : owner;
      if (document.title !== title) document.title = title;
    };
    name();
    const observer = new MutationObserver(name);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    return () => observer.disconnect();
  }, [owner]);
}
