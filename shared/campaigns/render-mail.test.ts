import { expect, test, vi } from 'vitest';
import { compileMail, renderMail } from './render-mail.ts';

const template = (html: string, subject = 'Hi {{ name }}') => {
  const compiled = compileMail({ subject, html, text: 'Dear {{ name }}' });
  if (!compiled.ok) throw new Error(compiled.message);
  return compiled.mail;
};
const render = (html: string, values: object) => renderMail(template(html), { name: 'Ada', ...values });

test('values are escaped in HTML, stay as they are in text, and end no line of a subject', () => {
  const rendered = renderMail(template('<p>{{ name }}</p>'), { name: `<b>"A'\r\nBcc: x@example.com` });
  expect(rendered).toMatchObject({
    ok: true,
    mail: { subject: `Hi <b>"A' Bcc: x@example.com`, html: expect.stringContaining('&lt;b&gt;&quot;A&#39;') },
  });
});

test.each([
  ['"{{ link }}"', 'javascript:alert(1)'],
  ["'{{ link }}'", ' java\tscript:alert(1)'],
  ['{{ link }}', 'vbscript:x'],
  ['"{{ scheme }}{{ link }}"', 'script:x'],
  ['"{{ link }}"', 'data:text/html,x'],
  ['"{{ link }}"', 'file:///etc/passwd'],
])('the link %s of %j makes no mail', (attribute, link) => {
  const rendered = render(`<a href=${attribute}>x</a>`, { link, scheme: 'java' });
  expect(rendered).toMatchObject({ ok: false, message: expect.stringContaining('a link begins with') });
});

test.each(['https://a.example/?q=javascript:', 'mailto:a@b.example', 'tel:+491', '/relative', '#top', ''])(
  'the link %j is sent',
  (link) => {
    expect(render('<a href="{{ link }}">x: javascript: the good parts</a>', { link }).ok).toBe(true);
  },
);

test('a mail that is too large, a long subject, and a value that is missing are faults of that mail', () => {
  expect(render('{{ big }}', { big: 'x'.repeat(5_000_001) })).toMatchObject({ ok: false });
  expect(render('x', { name: 'x'.repeat(1_000) })).toMatchObject({
    ok: false,
    message: expect.stringMatching(/subject/),
  });
  expect(render('{{ nothing }}', {})).toMatchObject({ ok: false, message: expect.stringContaining('nothing') });
});

test.each([
  [
    'many searches in one tag',
    `{% if ${Array.from({ length: 3_000 }, () => 'big contains "y"').join(' or ')} %}y{% endif %}`,
  ],
  ['many tags that search', '{% if big contains "y" %}y{% endif %}'.repeat(3_000)],
  ['a long text that is sought', '{% if big contains sought %}y{% endif %}'],
  ['a long text that is replaced', '{{ big | replace: sought, "" }}'],
])('%s: a fault of that mail, within 200 ms of the processor', (_name, html) => {
  const half = 'x'.repeat(225_000);
  const values = { big: 'x'.repeat(900_000), sought: `${half}y${half}` };
  const mail = template(html);
  const before = process.threadCpuUsage();
  expect(renderMail(mail, { name: 'Ada', ...values })).toMatchObject({ ok: false });
  expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(1_000);
});

test('what is short is found, and replaced', () => {
  const html =
    '{% if name contains "da" %}{{ name | replace: "A", "I" }}{% endif %}{% if name contains "x" %}x{% endif %}';
  expect(render(html, {})).toMatchObject({ ok: true, mail: { html: 'Ida' } });
});

test('a process that stood still in the middle renders the mail all the same', () => {
  const now = performance.now.bind(performance);
  let calls = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => {
    calls += 1;
    return now() + (calls > 1 ? 60_000 : 0);
  });
  expect(render('{{ name }} and {{ name }}', {})).toMatchObject({ ok: true, mail: { html: 'Ada and Ada' } });
  expect(calls).toBeGreaterThan(1);
});

test('a process that is given little of the processor renders the mail all the same', () => {
  let now = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 50;
    return now;
  });
  expect(render('{{ name }} '.repeat(100), {})).toMatchObject({ ok: true });
});
