/**
 * The program of `check-template.ts`: a template as it was uploaded, checked and brought into the form that mails are made from.
 *
 * 1. Every fault has a code, and a line where there is one. A template with a fault is never sent.
 * 2. Nothing that a template names is fetched or read.
 * 3. What reads HTML takes time that grows with the square of it, and calls itself for each element in another: a child process has a
 *    budget for that.
 */
import { z } from 'zod';
import { answerQuestions } from '#shared/confined/answer-questions.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import type { CheckedTemplate, TemplateFault, TemplateFormat } from './checked-template.ts';
import { compileMail, type MailSource, variablesOf } from './render-mail.ts';

export interface TemplateQuestion {
  readonly bytes: Uint8Array;
  readonly format: TemplateFormat;
}

/** Gmail shows no more of a mail. */
const CLIPPED_BYTES = 102 * 1024;
const MOST_FAULTS = 20;

answerQuestions(({ bytes, format }: TemplateQuestion) => readTemplate(bytes, format));

async function readTemplate(bytes: Uint8Array, format: TemplateFormat): Promise<CheckedTemplate> {
  let source: string;
  try {
    source = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refused('TEMPLATE_ENCODING', 'The template is not UTF-8.');
  }
  if (source.includes('\0')) return refused('TEMPLATE_ENCODING', 'The template has a NUL character.');
  const read = format === 'json' ? readJson(source) : await readHtml(source, format);
  if ('faults' in read) return { ok: false, faults: read.faults };
  const { faults: unsafe, hasUnsubscribeLink } = await readParts(read.html);
  const faults = [...unsafe, ...subjectFaults(read.subject)];
  if (faults.length > 0) return { ok: false, faults };
  const mail = { ...read, text: read.text ?? (await textFrom(read.html)) };
  const compiled = compileMail(mail);
  if (!compiled.ok) {
    const { part, message, line } = compiled;
    return { ok: false, faults: [{ code: 'TEMPLATE_SYNTAX', message: `${part}: ${message}`, ...(line && { line }) }] };
  }
  return { ok: true, mail, variables: variablesOf(compiled.mail), warnings: warningsOf(mail, hasUnsubscribeLink) };
}

type Read = (Omit<MailSource, 'text'> & { readonly text?: string | undefined }) | { readonly faults: TemplateFault[] };

const jsonSchema = z.strictObject({
  subject: z.string().min(1),
  preheader: z.string().max(500).optional(),
  html: z.string().min(1),
  text: z.string().optional(),
});

function readJson(source: string): Read {
  const json = parseJson(source);
  if (json === undefined) return { faults: [{ code: 'TEMPLATE_SYNTAX', message: 'The template is not JSON.' }] };
  const parsed = jsonSchema.safeParse(json);
  if (!parsed.success) {
    const { path = [], message = 'is not JSON' } = parsed.error.issues[0] ?? {};
    return { faults: [{ code: 'TEMPLATE_SYNTAX', message: `${path.join('.') || 'the template'}: ${message}` }] };
  }
  const { subject, preheader, html, text } = parsed.data;
  const hidden = preheader === undefined ? '' : `<div style="display:none">${preheader}</div>`;
  return { subject, html: `${hidden}${html}`, text };
}

async function readHtml(source: string, format: 'html' | 'mjml'): Promise<Read> {
  const compiled = format === 'html' ? { html: source, faults: [] } : await compileMjml(source);
  if (compiled.faults.length > 0) {
    const faults = compiled.faults.slice(0, MOST_FAULTS);
    return { faults: faults.map(({ line, message }) => ({ code: 'TEMPLATE_MJML', message, line })) };
  }
  const [, afterTag = ''] = compiled.html.split(/<title[^<>]*>/i, 2);
  const [subject = ''] = afterTag.split(/<\/title>/i, 1);
  return { subject: subject.trim().replace(/\s+/g, ' '), html: compiled.html };
}

/** The compiler takes 150 MB. */
async function compileMjml(source: string) {
  const { compileMjml: compile } = await import('./compile-mjml.ts');
  return await compile(source);
}

/** What Liquid reads is kept out of it: quotes in it would end attributes, lines be broken in it, and headings be in capitals. */
async function textFrom(html: string): Promise<string> {
  // Loaded for the few templates that come without a text.
  const { convert } = await import('html-to-text');
  const kept: string[] = [];
  const masked = html.replace(LIQUID, (code) => `\ue000${kept.push(code) - 1}\ue001`);
  const text = convert(masked, { wordwrap: 100, selectors: [{ selector: 'img', format: 'skip' }] });
  return text.replace(/\ue000(\d+)\ue001/g, (mask, index: string) => kept[Number(index)] ?? mask);
}

const LIQUID = /\{\{.*?\}\}|\{%.*?%\}/gs;

const ELEMENTS = new Set(['script', 'form', 'iframe', 'frame', 'object', 'embed', 'applet', 'base', 'portal', 'math']);
const LINKS = new Set(['href', 'src', 'action', 'background', 'formaction', 'xlink:href', 'poster', 'data', 'cite']);

interface ReadHtml {
  readonly faults: readonly TemplateFault[];
  readonly hasUnsubscribeLink: boolean;
}

/** By the parser that mail readers' own resembles: what is hidden from a look at the text, by entities or odd spaces, is seen. */
async function readParts(html: string): Promise<ReadHtml> {
  const { Parser } = await import('htmlparser2');
  const faults: TemplateFault[] = [];
  let hasUnsubscribeLink = false;
  let element = '';
  const fault = (what: string, why: string) => {
    if (faults.length >= MOST_FAULTS) return;
    const line = html.slice(0, parser.startIndex).split('\n').length;
    faults.push({ code: 'TEMPLATE_UNSAFE', line, message: `${JSON.stringify(what.slice(0, LONGEST_SHOWN))} ${why}.` });
  };
  const parser = new Parser(
    {
      // What a recipient's value may become is text, or the value of an attribute: escaping holds it in there only.
      onopentagname(name) {
        if (name.includes(OUTPUT)) fault(`<${name}`, 'is named by a variable');
      },
      onattribute(attribute, value, quote) {
        if (attribute.includes(OUTPUT)) fault(attribute, 'is a variable in place of an attribute');
        else if (typeof quote !== 'string' && value.includes(OUTPUT))
          fault(`${attribute}=${value}`, 'has a variable without quotes around it');
      },
      onopentag(name, attributes) {
        element = name;
        if (ELEMENTS.has(name)) fault(`<${name}`, 'is not allowed in a mail');
        if (name === 'meta' && /refresh/i.test(attributes['http-equiv'] ?? ''))
          fault('<meta refresh', 'is not allowed in a mail');
        if (name === 'link' && /stylesheet/i.test(attributes.rel ?? '')) fault('<link', OUTSIDE);
        for (const [attribute, value] of Object.entries(attributes)) {
          if (/^on|["'<=/]on[a-z]+$/.test(attribute)) fault(attribute, 'is an event handler');
          if (attribute === 'srcdoc') fault(attribute, 'is not allowed in a mail');
          if (LINKS.has(attribute) && isCode(value)) fault(value, 'is a link that runs code');
          if (attribute === 'style' && runsCode(value)) fault(value, 'is a style that runs code');
          if (value.includes('unsubscribe_url')) hasUnsubscribeLink = true;
        }
      },
      ontext(text) {
        if (element === 'style' && /@import\b/i.test(text)) fault('@import', OUTSIDE);
        if (element === 'style' && runsCode(text)) fault('<style', 'runs code');
        if (element !== 'style' && element !== 'title' && text.includes('unsubscribe_url')) hasUnsubscribeLink = true;
      },
      onclosetag() {
        element = '';
      },
    },
    { lowerCaseAttributeNames: true, lowerCaseTags: true, decodeEntities: true },
  );
  parser.end(html);
  return { faults, hasUnsubscribeLink };
}

/** What begins a place that Liquid fills. */
const OUTPUT = '{{';
const OUTSIDE = 'names a style sheet outside; write the styles into the mail';
const LONGEST_SHOWN = 40;

function isCode(url: string): boolean {
  return /^(?:javascript|vbscript|data:(?!image\/(?:png|gif|jpe?g|webp)))/i.test(
    url.replace(/[\p{Cc}\p{Cf}\s]+/gu, ''),
  );
}

function runsCode(style: string): boolean {
  return /expression\s*\(|javascript:|-moz-binding|behavior\s*:/i.test(style);
}

function subjectFaults(subject: string): TemplateFault[] {
  if (subject !== '' && !/[\r\n]/.test(subject) && subject.length <= 500) return [];
  const message =
    'The subject is in <title> (of MJML in <mj-title>, of JSON in subject): one line of at most 500 characters.';
  return [{ code: 'TEMPLATE_NO_SUBJECT', message }];
}

function warningsOf({ html }: MailSource, hasUnsubscribeLink: boolean): string[] {
  return [
    ...(Buffer.byteLength(html) > CLIPPED_BYTES ? ['HTML_OVER_102KB'] : []),
    ...(/<img\b(?![^<>]*\balt\s*=)[^<>]*>/i.test(html) ? ['IMAGE_WITHOUT_ALT'] : []),
    ...(/href\s*=\s*["']http:/i.test(html) ? ['LINK_WITHOUT_TLS'] : []),
    ...(hasUnsubscribeLink ? [] : ['NO_UNSUBSCRIBE_LINK']),
  ];
}

function refused(code: ErrorCode, message: string): CheckedTemplate {
  return { ok: false, faults: [{ code, message }] };
}
