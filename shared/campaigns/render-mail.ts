/**
 * Mails out of a template: Liquid with the tags and filters of partners' templates, in bounded time and memory.
 *
 * 1. Values of recipients are escaped in HTML and stay as they are in text; in a subject nothing ends a line.
 * 2. A variable that a recipient lacks is a fault of that mail, not an empty place; so is a link that a value makes run code, and a mail that is
 *    too large.
 */
import { type Liquid, LiquidError, type Template } from 'liquidjs';
import { createLiquid } from '#shared/text/create-liquid.ts';

export interface MailSource {
  readonly subject: string;
  readonly html: string;
  readonly text: string;
}

export interface CompiledMail {
  readonly subject: Template[];
  readonly html: Template[];
  readonly text: Template[];
}

export type Compiled =
  | { readonly ok: true; readonly mail: CompiledMail }
  | {
      readonly ok: false;
      readonly part: keyof MailSource;
      readonly message: string;
      readonly line?: number | undefined;
    };

export type Rendered =
  | { readonly ok: true; readonly mail: MailSource }
  | { readonly ok: false; readonly message: string };

/** Set by Longshore, of the recipient. */
export const OWN_VARIABLES: readonly string[] = ['unsubscribe_url', 'email'];

const PARTS = ['subject', 'html', 'text'] as const;
const LONGEST_TEMPLATE = 1_000_000;
/** Of the processor, which nobody else has meanwhile: templates have no loops, and a mail of 100 KB takes a few. */
const RENDER_MS = 200;
const MEMORY = 5_000_000;
const FILTERS =
  'default upcase downcase capitalize strip append prepend replace truncate slice date round plus minus times divided_by';
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const engines: Readonly<Record<keyof MailSource, Liquid>> = {
  subject: engineWith((value) => value.replace(/\p{Cc}+/gu, ' ')),
  html: engineWith((value) => value.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character)),
  text: engineWith(),
};

function engineWith(encode?: (value: string) => string): Liquid {
  return createLiquid({
    longestTemplate: LONGEST_TEMPLATE,
    filters: FILTERS,
    memory: MEMORY,
    ...(encode && { encode }),
  });
}

export function compileMail(source: MailSource): Compiled {
  const compiled: Partial<Record<keyof MailSource, Template[]>> = {};
  for (const part of PARTS) {
    try {
      compiled[part] = engines[part].parse(source[part]);
    } catch (error) {
      const line = error instanceof LiquidError ? error.token?.getPosition()[0] : undefined;
      return { ok: false, part, message: messageOf(error), line };
    }
  }
  return { ok: true, mail: compiled as CompiledMail };
}

/** Names that a recipient, or the campaign's defaults, have to give. */
export function variablesOf(mail: CompiledMail): string[] {
  const names = PARTS.flatMap((part) => engines[part].globalVariablesSync(mail[part]));
  return [...new Set(names)].filter((name) => !OWN_VARIABLES.includes(name)).sort();
}

export function renderMail(mail: CompiledMail, values: Readonly<Record<string, unknown>>): Rendered {
  const rendered: Partial<Record<keyof MailSource, string>> = {};
  for (const part of PARTS) {
    try {
      rendered[part] = renderPart(engines[part], mail[part], values);
    } catch (error) {
      return { ok: false, message: `${part}: ${messageOf(error)}` };
    }
  }
  const source = rendered as MailSource;
  const fault = faultOf(source);
  return fault === undefined ? { ok: true, mail: source } : { ok: false, message: fault };
}

/** Liquid goes by the clock. A process that had no processor meanwhile renders again, and has twice as long. */
function renderPart(engine: Liquid, templates: Template[], values: Readonly<Record<string, unknown>>): string {
  for (let limitMs = RENDER_MS; ; limitMs *= 2) {
    const before = process.threadCpuUsage();
    try {
      return engine.renderSync(templates, values, { renderLimit: limitMs, memoryLimit: MEMORY });
    } catch (error) {
      const { user, system } = process.threadCpuUsage(before);
      if (!messageOf(error).includes(OVER_TIME) || (user + system) / 1_000 > RENDER_MS) throw error;
    }
  }
}

const OVER_TIME = 'template render limit exceeded';
const LARGEST_MAIL = 5_000_000;
const LONGEST_SUBJECT = 998;
/** Attributes as templates write them; values cannot bring quotes. */
const LINK = /\s(?:href|src|action|background|poster)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/gi;
const SCHEME = /^(?!(?:https?|mailto|tel|sms|cid):|data:image\/)[a-z][a-z0-9+.-]*:/i;

function faultOf({ subject, html, text }: MailSource): string | undefined {
  if (html.length + text.length > LARGEST_MAIL) return `The mail has more than ${LARGEST_MAIL} characters.`;
  if (subject.length > LONGEST_SUBJECT) return `subject: it has more than ${LONGEST_SUBJECT} characters.`;
  for (const [, doubly, singly, bare] of html.matchAll(LINK)) {
    const link = (doubly ?? singly ?? bare ?? '').replace(/[\p{Cc}\s]+/gu, '');
    const scheme = SCHEME.exec(link)?.[0];
    if (scheme !== undefined) return `html: a link begins with ${scheme.slice(0, 20)}, which is not allowed.`;
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '').slice(0, 300) : String(error);
}
