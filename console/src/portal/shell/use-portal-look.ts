/** The name and the colour that a tenant's definition gives the portal. Both are gone with the session that they came with. */
import { useEffect } from 'react';
import type { PortalLook } from '../../api/me.ts';
import { usePageTitle } from '../../parts/use-page-title.ts';

export function usePortalLook(look: PortalLook | undefined): void {
  const { name, themes } = look ?? {};
  usePageTitle(name ?? 'Longshore');
  useEffect(() => {
    if (themes === undefined) return;
    const sheet = sheetOf(themes);
    document.adoptedStyleSheets.push(sheet);
    return () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
    };
  }, [themes]);
}

/** Made by script, which takes no inline style; it is over the layers of `theme.css`. */
function sheetOf(themes: NonNullable<PortalLook['themes']>): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  for (const [theme, { accent, on_accent: onAccent, soft }] of Object.entries(themes))
    sheet.insertRule(
      `:root[data-theme="${theme}"] { --accent: ${accent}; --on-accent: ${onAccent}; --accent-soft: ${soft}; }`,
      sheet.cssRules.length,
    );
  return sheet;
}
