/**
 * A template as it was uploaded, checked and brought into the form that mails are made from.
 *
 * 1. Every fault has a code, and a line where there is one. A template with a fault is never sent.
 * 2. Nothing that a template names is fetched or read.
 */
import { spawn } from 'node:child_process';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { TEMPLATE_FORMATS } from '#shared/db/schema.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import { compileMail, type MailSource, variablesOf } from './render-mail.ts';

export const MOST_TEMPLATE_BYTES = 512 * 1024;
/** Gmail shows no more of a mail. */
const CLIPPED_BYTES = 102 * 1024;
const MJML_DEADLINE_MS = 10_000;
const MOST_FAULTS = 20;

export interface TemplateFault {
  readonly code: ErrorCode;
  readonly message: string;
  /** From 1. */
  readonly line?: number;
}

export type CheckedTemplate =
  | {
      readonly ok: true;
      readonly mail: MailSource;
      readonly variables: readonly string[];
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly faults: readonly TemplateFault[] };

export async function checkTemplate(
  bytes: Uint8Array,
  format: (typeof TEMPLATE_FORMATS)[number],
): Promise<CheckedTemplate> {
  if (bytes.length > MOST_TEMPLATE_BYTES)
    return refused('TEMPLATE_TOO_LARGE', `The template has ${bytes.length} bytes; ${MOST_TEMPLATE_BYTES} are taken.`);
  let source: string;
  try {
    source = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refused('TEMPLATE_ENCODING', 'The template is not UTF-8.');
  }
  if (source.includes('\0')) return refused('TEMPLATE_ENCODING', 'The template has a NUL character.');
  const read = format === 'json' ? readJson(source) : await readHtml(source, format === 'mjml');
  if ('faults' in read) return { ok: false, faults: read.faults };
  const faults = [...unsafeParts(read.html), ...subjectFaults(read.subject)].slice(0, MOST_FAULTS);
  if (faults.length > 0) return { ok: false, faults };
  const mail = { ...read, text: read.text ?? (await textFrom(read.html)) };
  const compiled = compileMail(mail);
  if (!compiled.ok) {
    const { part, message, line } = compiled;
    return { ok: false, faults: [{ code: 'TEMPLATE_SYNTAX', message: `${part}: ${message}`, ...(line && { line }) }] };
  }
  return { ok: true, mail, variables: variablesOf(compiled.mail), warnings: warningsOf(mail) };
}

type Read = (Omit<MailSource, 'text'> & { readonly text?: string | undefined }) | { readonly faults: TemplateFault[] };

const jsonSchema = z.strictObject({
  subject: z.string().min(1),
  preheader: z.string().max(500).optional(),
  html: z.string().min(1),
  text: z.string().optional(),
});

function readJson(source: string): Read {
  const parsed = jsonSchema.safeParse(parseJson(source));
  if (!parsed.success) {
    const { path = [], message = 'is not JSON' } = parsed.error.issues[0] ?? {};
    return { faults: [{ code: 'TEMPLATE_SYNTAX', message: `${path.join('.') || 'the template'}: ${message}` }] };
  }
  const { subject, preheader, html, text } = parsed.data;
  const hidden = preheader === undefined ? '' : `<div style="display:none">${preheader}</div>`;
  return { subject, html: `${hidden}${html}`, text };
}

async function readHtml(source: string, isMjml: boolean): Promise<Read> {
  const compiled = isMjml ? await compileMjml(source) : { html: source, faults: [] };
  if (compiled.faults.length > 0) {
    const faults = compiled.faults.slice(0, MOST_FAULTS);
    return { faults: faults.map(({ line, message }) => ({ code: 'TEMPLATE_MJML', message, line })) };
  }
  const [, afterTag = ''] = compiled.html.split(/<title[^<>]*>/i, 2);
  const [subject = ''] = afterTag.split(/<\/title>/i, 1);
  return { subject: subject.trim().replace(/\s+/g, ' '), html: compiled.html };
}

const mjmlSchema = z.object({
  html: z.string(),
  faults: z.array(z.object({ line: z.number().catch(1), message: z.string() })),
});

async function compileMjml(source: string): Promise<z.output<typeof mjmlSchema>> {
  const program = fileURLToPath(new URL('./compile-mjml.ts', import.meta.url));
  const child = spawn(process.execPath, ['--max-old-space-size=256', program], {
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: MJML_DEADLINE_MS,
    killSignal: 'SIGKILL',
    // It needs no secret of ours.
    env: {},
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined).end(source);
  const parsed = mjmlSchema.safeParse(parseJson(await textOf(child.stdout)));
  if (parsed.success) return parsed.data;
  return { html: '', faults: [{ line: 1, message: `The MJML did not compile within ${MJML_DEADLINE_MS / 1_000} s.` }] };
}

async function textFrom(html: string): Promise<string> {
  // Loaded for the few templates that come without a text.
  const { convert } = await import('html-to-text');
  return convert(html, { wordwrap: 100, selectors: [{ selector: 'img', format: 'skip' }] });
}

const UNSAFE: readonly (readonly [RegExp, string])[] = [
  [/<\s*(?:script|form|iframe|object|embed|applet|base)\b/gi, 'is not allowed in a mail'],
  [/<\s*link\b[^<>]*stylesheet/gi, 'names a style sheet outside; write the styles into the mail'],
  [/@import\b/gi, 'names a style sheet outside; write the styles into the mail'],
  [/<\s*meta\b[^<>]*refresh/gi, 'is not allowed in a mail'],
  [/<[^<>]*\son[a-z]+\s*=/gi, 'has an event handler'],
  [/(?:javascript|vbscript|data\s*:\s*text\/html)\s*:/gi, 'is a link that runs code'],
];
const LONGEST_SHOWN = 40;

function unsafeParts(html: string): TemplateFault[] {
  return UNSAFE.flatMap(([pattern, why]) =>
    [...html.matchAll(pattern)].slice(0, MOST_FAULTS).map((match): TemplateFault => {
      const line = html.slice(0, match.index).split('\n').length;
      return { code: 'TEMPLATE_UNSAFE', line, message: `${JSON.stringify(match[0].slice(-LONGEST_SHOWN))} ${why}.` };
    }),
  );
}

function subjectFaults(subject: string): TemplateFault[] {
  if (subject !== '' && !/[\r\n]/.test(subject) && subject.length <= 500) return [];
  const message =
    'The subject is in <title> (of MJML in <mj-title>, of JSON in subject): one line of at most 500 characters.';
  return [{ code: 'TEMPLATE_NO_SUBJECT', message }];
}

function warningsOf({ html }: MailSource): string[] {
  return [
    ...(Buffer.byteLength(html) > CLIPPED_BYTES ? ['HTML_OVER_102KB'] : []),
    ...(/<img\b(?![^<>]*\balt\s*=)[^<>]*>/i.test(html) ? ['IMAGE_WITHOUT_ALT'] : []),
    ...(/href\s*=\s*["']http:/i.test(html) ? ['LINK_WITHOUT_TLS'] : []),
    ...(/unsubscribe_url/.test(html) ? [] : ['NO_UNSUBSCRIBE_LINK']),
  ];
}

function refused(code: ErrorCode, message: string): CheckedTemplate {
  return { ok: false, faults: [{ code, message }] };
}
