/** The page behind a review link. No script, no style, nothing from elsewhere; whatever comes from partners is text. Pure. */
import { visibleText } from '#shared/text/visible-text.ts';

export const PAGE_HEADERS = {
  'content-security-policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
} as const;

export interface HeldFile {
  readonly name: string;
  readonly tenant: string;
  readonly route: string;
  readonly sizeBytes: number;
  readonly heldSince: string;
}

export function writeReviewPage(file: HeldFile, link: string, fault?: string): string {
  return writePage(
    'Release or reject a held file',
    `${fault === undefined ? '' : `<p role="alert"><strong>${escaped(fault)}</strong></p>`}
<dl>
<dt>File</dt><dd>${escaped(file.name)}</dd>
<dt>Tenant</dt><dd>${escaped(file.tenant)}</dd>
<dt>Route</dt><dd>${escaped(file.route)}</dd>
<dt>Size</dt><dd>${file.sizeBytes} bytes</dd>
<dt>Held since</dt><dd>${escaped(file.heldSince)}</dd>
</dl>
<form method="post" action="/review">
<input type="hidden" name="link" value="${escaped(link)}">
<p><label>Your name<br><input name="name" required maxlength="100" autocomplete="name"></label></p>
<p><label>Reason, kept in the audit<br><textarea name="reason" required maxlength="500" rows="4" cols="60"></textarea></label></p>
<p><button name="verb" value="release">Release: the file continues</button>
<button name="verb" value="reject">Reject: the file is not delivered</button></p>
</form>`,
  );
}

export function writeTextPage(title: string, text: string): string {
  return writePage(title, `<p>${escaped(text)}</p>`);
}

function writePage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>${escaped(title)} - Longshore</title></head>
<body><main><h1>${escaped(title)}</h1>
${body}
</main></body></html>
`;
}

function escaped(text: string): string {
  const named: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return visibleText(text).replaceAll(/[&<>"']/g, (character) => named[character] ?? character);
}
