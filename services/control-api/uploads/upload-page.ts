/** The page behind an upload link: one script of ours, nothing from elsewhere. The token stays in the fragment of the address. */

export const UPLOAD_PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
} as const;

export const UPLOAD_PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>Send a file - Longshore</title><script src="/upload.js" defer></script></head>
<body><main><h1>Send a file</h1>
<p>This link takes one file. It is used up when the file has arrived.</p>
<form><p><label>File<br><input type="file" name="file" required></label></p>
<p><button>Send</button></p>
<p><progress max="100" value="0" hidden aria-label="Sent"></progress></p></form>
<p role="status"></p>
<noscript><p>This page needs JavaScript to send the file.</p></noscript>
</main></body></html>
`;

export const UPLOAD_SCRIPT = `'use strict';
const form = document.querySelector('form');
const [input, button, progress] = ['input', 'button', 'progress'].map((name) => form.querySelector(name));
const word = document.querySelector('[role=status]');
const token = location.hash.slice(1);
const isGone = (status) => status === 201 || status === 404;
if (token === '') word.textContent = 'This address is not complete: copy the whole link.';
form.addEventListener('submit', (event) => {
  event.preventDefault();
  const [file] = input.files;
  if (file === undefined) return;
  const request = new XMLHttpRequest();
  request.open('PUT', '/upload/' + encodeURIComponent(file.name));
  request.setRequestHeader('x-upload-link', token);
  request.setRequestHeader('content-type', 'application/octet-stream');
  request.upload.onprogress = ({ loaded, total }) => {
    progress.value = total === 0 ? 100 : (100 * loaded) / total;
  };
  request.onloadend = () => {
    let reply = {};
    try {
      reply = JSON.parse(request.responseText);
    } catch {}
    button.disabled = isGone(request.status);
    word.textContent =
      request.status === 201
        ? file.name + ' has arrived. You can close this page.'
        : 'The file was not sent. ' + (reply.message ?? 'The connection was lost.') + ' ' + (reply.hint ?? 'Send it again.');
  };
  button.disabled = true;
  progress.hidden = false;
  word.textContent = 'Sending ' + file.name;
  request.send(file);
});
`;
