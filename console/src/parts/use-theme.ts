/** The theme that the reader chose, or the system's, as an attribute of the document. */
import { useEffect, useState } from 'react';
import { usePreference } from './preference.ts';

export const THEMES = ['system', 'light', 'dark'] as const;

export function useTheme(): void {
  const [theme] = usePreference<(typeof THEMES)[number]>('theme', 'system');
  const [isDark, setIsDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const look = () => setIsDark(query.matches);
    query.addEventListener('change', look);
    return () => query.removeEventListener('change', look);
  }, []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme === 'system' ? (isDark ? 'dark' : 'light') : theme;
  }, [theme, isDark]);
}
