import { expect, test } from 'vitest';
import { checkTemplate, createTemplateChecker, MOST_TEMPLATE_BYTES } from './check-template.ts';

const html = (body: string, title = 'Hello') => `<html><title>${title}</title><body>${body}</body></html>`;
/** One child reads them all, which takes most of a second to load what it needs. */
const checkNext = createTemplateChecker({ idleMs: 60_000 });
const bytesOf = (text: string | Uint8Array) => (typeof text === 'string' ? Buffer.from(text) : text);
const check = (text: string | Uint8Array, format: 'html' | 'mjml' | 'json' = 'html') =>
  checkNext(bytesOf(text), format, 'acme');

test('a template is read with its subject, its variables, and a text part made of its HTML', async () => {
  const source = html('<p>Dear {{ first_name }},</p>\n<a href="{{ unsubscribe_url }}">Out</a>', 'Your {{ plan }}');
  expect(await check(source)).toMatchObject({
    ok: true,
    variables: ['first_name', 'plan'],
    warnings: [],
    mail: { subject: 'Your {{ plan }}', text: expect.stringContaining('Dear {{ first_name }}') },
  });
});

test('Liquid is in the text part as it is in the HTML: in headings, in long lines, and with quotes in quotes', async () => {
  const link = '{{ link | default: "https://a.example/a b" }}';
  const source = html(
    `<h1>Dear {{ first_name }}</h1><p>${'word '.repeat(18)}{{ plan | default: "a plan" }} {% if n %}x{% endif %}</p><a href="${link}">x</a>`,
  );
  const checked = await check(source);
  expect(checked).toMatchObject({ ok: true, variables: ['first_name', 'link', 'n', 'plan'] });
  const text = checked.ok ? checked.mail.text : '';
  for (const code of ['{{ first_name }}', '{{ plan | default: "a plan" }}', '{% if n %}x{% endif %}', link])
    expect(text).toContain(code);
});

test('JSON has its own text and preheader', async () => {
  const json = { subject: 'Hi', preheader: 'Soon', html: '<p>{{ n }}</p>', text: 'Plain {{ n }}' };
  expect(await check(JSON.stringify(json), 'json')).toMatchObject({
    ok: true,
    mail: { text: 'Plain {{ n }}', html: expect.stringContaining('Soon') },
    warnings: ['NO_UNSUBSCRIBE_LINK'],
  });
});

test.each([
  ['an image without alt', '<img src="https://a.example/x.png">', 'IMAGE_WITHOUT_ALT'],
  ['a link without TLS', '<a href="http://a.example/">x</a>', 'LINK_WITHOUT_TLS'],
  ['more than Gmail shows', 'x'.repeat(103 * 1024), 'HTML_OVER_102KB'],
])('%s is a warning', async (_what, body, warning) => {
  const checked = await check(html(body));
  expect(checked.ok && checked.warnings).toContain(warning);
});

test.each([
  ['too many bytes', Buffer.alloc(MOST_TEMPLATE_BYTES + 1, 'x'), 'TEMPLATE_TOO_LARGE'],
  ['no bytes', '', 'TEMPLATE_NO_SUBJECT'],
  ['no UTF-8', Buffer.from([0x3c, 0xff, 0xfe]), 'TEMPLATE_ENCODING'],
  ['a NUL', html('a\u0000b'), 'TEMPLATE_ENCODING'],
  ['no title', '<html><body>x</body></html>', 'TEMPLATE_NO_SUBJECT'],
  ['a Liquid tag without an end', html('{% if a %}x'), 'TEMPLATE_SYNTAX'],
  ['a Liquid loop', html('{% for i in (1..9999999) %}x{% endfor %}'), 'TEMPLATE_SYNTAX'],
  ['a filter that is not there', html('{{ a | nothing }}'), 'TEMPLATE_SYNTAX'],
  ['an include', html('{% include "secret" %}'), 'TEMPLATE_SYNTAX'],
  ['a script', html('<script>alert(1)</script>'), 'TEMPLATE_UNSAFE'],
  ['a form', html('<FORM action="/x">'), 'TEMPLATE_UNSAFE'],
  ['an event handler', html('<img src=x alt="" onerror=alert(1)>'), 'TEMPLATE_UNSAFE'],
  ['a link that runs code', html('<a href="javascript:alert(1)">x</a>'), 'TEMPLATE_UNSAFE'],
  ['an event handler without a space', html('<svg/onload=alert(1)>'), 'TEMPLATE_UNSAFE'],
  ['an event handler after a value', html('<img src="x"onerror="alert(1)" alt="">'), 'TEMPLATE_UNSAFE'],
  ['code behind an entity', html('<a href="java&#115;cript:alert(1)">x</a>'), 'TEMPLATE_UNSAFE'],
  ['code behind a tab', html('<a href="\n java\tscript:alert(1)">x</a>'), 'TEMPLATE_UNSAFE'],
  ['a page in a link', html('<a href="data:text/html,x">x</a>'), 'TEMPLATE_UNSAFE'],
  ['a picture that is code', html('<svg><image xlink:href="data:image/svg+xml,x" /></svg>'), 'TEMPLATE_UNSAFE'],
  ['a variable without quotes', html('<a href={{ link }}>x</a>'), 'TEMPLATE_UNSAFE'],
  ['a variable without quotes behind text', html('<img alt="" src=https://a.example/{{ n }}>'), 'TEMPLATE_UNSAFE'],
  ['a variable for attributes', html('<p {{ more }}>x</p>'), 'TEMPLATE_UNSAFE'],
  ['a variable for an element', html('<h{{ n }}>x</h{{ n }}>'), 'TEMPLATE_UNSAFE'],
  ['a style that runs code', html('<p style="width: expression(alert(1))">x</p>'), 'TEMPLATE_UNSAFE'],
  ['an imported style sheet', html('<style>@import url(https://a.example/x.css);</style>'), 'TEMPLATE_UNSAFE'],
  ['a style sheet outside', html('<link rel="stylesheet" href="https://a.example/x.css">'), 'TEMPLATE_UNSAFE'],
])('%s is refused with a code', async (_what, source, code) => {
  const checked = await check(source);
  expect(checked.ok ? [] : checked.faults.map((fault) => fault.code)).toContain(code);
});

test.each([
  '<a href="https://a.example/{{ n }}?x={{ m | default: 1 }}">x</a>',
  "<a href='{{ link }}' title=plain>x</a>",
  '<p {% if n %}class="vip"{% endif %}>{{ n }}</p>',
  `<a href="{{ link | default: 'https://a.example' }}">x</a>`,
])('a variable in quotes or in text is taken: %s', async (body) => {
  expect(await check(html(body))).toMatchObject({ ok: true });
});

test.each(['{', '[]', '{"subject":"x"}', '{"subject":"x","html":"y","more":1}'])(
  'the JSON %s is refused',
  async (source) => {
    expect(await check(source, 'json')).toMatchObject({ ok: false, faults: [{ code: 'TEMPLATE_SYNTAX' }] });
  },
);

test('the unsubscribe link counts where people see it', async () => {
  const warningsOf = async (body: string) => {
    const checked = await check(html(body));
    return checked.ok && checked.warnings;
  };
  expect(await warningsOf('<a href="{{ unsubscribe_url }}">x</a>')).toEqual([]);
  expect(await warningsOf('Open {{ unsubscribe_url }}')).toEqual([]);
  expect(await warningsOf('<!-- {{ unsubscribe_url }} -->')).toEqual(['NO_UNSUBSCRIBE_LINK']);
  expect(await warningsOf('<img src="data:image/png;base64,x" alt="">')).toEqual(['NO_UNSUBSCRIBE_LINK']);
});

test('a fault has its line', async () => {
  const source = html('<p>one</p>\n<p>two</p>\n<script>x</script>');
  expect(await check(source)).toMatchObject({ ok: false, faults: [{ line: 3 }] });
});

test('MJML is compiled, names its faults with their lines, and reads no file', async () => {
  const mjml = (body: string) =>
    `<mjml>\n<mj-head><mj-title>Hi {{ n }}</mj-title></mj-head>\n<mj-body>${body}</mj-body>\n</mjml>`;
  const text = '<mj-section><mj-column><mj-text>Dear {{ n }} {{ unsubscribe_url }}</mj-text></mj-column></mj-section>';
  expect(await check(mjml(text), 'mjml')).toMatchObject({
    ok: true,
    variables: ['n'],
    mail: { subject: 'Hi {{ n }}' },
  });
  expect(await check(mjml('<mj-nothing>x</mj-nothing>'), 'mjml')).toMatchObject({
    ok: false,
    faults: [{ code: 'TEMPLATE_MJML', line: 3 }],
  });
  const included = await check(mjml(`<mj-include path="/etc/passwd" />${text}`), 'mjml');
  expect(JSON.stringify(included)).not.toContain('root:');
});

test.each([
  ['a variable that never closes, again and again', '{{'.repeat(60_000)],
  ['elements in elements', '<b>'.repeat(100_000)],
  ['lists in lists in tables', '<table><tr><td><ul><li>'.repeat(10_000)],
])('%s is refused, and leaves the event loop to others meanwhile', async (_what, text) => {
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  }, 10);
  // A tenth of what a template may take otherwise: those that never end take all of it.
  const checkGreedy = createTemplateChecker({ cpuMs: 1_000 });
  const checked = await checkGreedy(Buffer.from(html(text)), 'html', 'acme');
  clearInterval(counting);
  expect(checked).toMatchObject({ ok: false, faults: [{ code: 'TEMPLATE_SYNTAX' }] });
  expect(turns).toBeGreaterThan(5);
});

test('a customer has few templates that wait', async () => {
  const text = bytesOf(html('<p>one</p>'));
  const checks = await Promise.allSettled(Array.from({ length: 10 }, () => checkTemplate(text, 'html', 'acme')));
  const refused = checks.flatMap((checked) => (checked.status === 'rejected' ? [checked.reason.code] : []));
  expect(refused).toEqual(['RATE_LIMITED', 'RATE_LIMITED']);
});
