/**
 * Templates of requests: JSON whose texts may name values, as `{{ record.member }}` or `{{ replies.validate.reference }}`.
 *
 * 1. A text that is one such name alone keeps the value's type; anything else is Liquid and gives text.
 * 2. Values never become structure: a body is built first and written as JSON then, a path takes values percent-encoded.
 * 3. A template reads the values it is given and nothing else, and is bounded in length, in what it allocates and in its result; there are no
 *    loops, so that bounds its time too.
 */
import type { Liquid, Template } from 'liquidjs';
import { createLiquid } from '#shared/text/create-liquid.ts';
import { isScalar, isValuePath, readPath } from './value-path.ts';

/** `record` by field, `replies` by operation and name, `meta` as given by the caller (job, line ...). */
export interface TemplateValues {
  readonly record: Readonly<Record<string, unknown>>;
  readonly replies: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly meta: Readonly<Record<string, unknown>>;
}

export type JsonTemplate =
  | string
  | number
  | boolean
  | null
  | readonly JsonTemplate[]
  | { readonly [name: string]: JsonTemplate };

/** @throws an error whose message names what is missing or too long, without any value. */
export type Render<Result> = (values: TemplateValues) => Result;

const LONGEST_TEMPLATE = 2_048;
const LONGEST_RESULT = 16_384;
export const ONE_NAME = /^\{\{\s*([\w$.-]+)\s*\}\}$/;
export const REQUEST_FILTERS =
  'abs append at_least at_most capitalize ceil date default divided_by downcase first floor join last lstrip minus modulo plus prepend remove remove_first replace replace_first round rstrip size slice split strip times truncate upcase';

const text = createLiquid({ longestTemplate: LONGEST_TEMPLATE, filters: REQUEST_FILTERS });
const path = createLiquid({ longestTemplate: LONGEST_TEMPLATE, filters: REQUEST_FILTERS, encode: encodeURIComponent });

/** @throws when the template cannot be used: at the parsing of a definition. */
export function compileText(source: string): Render<string> {
  const render = compile(text, source);
  const name = ONE_NAME.exec(source)?.[1];
  if (name === undefined || !isValuePath(name)) return render;
  // Most texts are one value, and Liquid costs ten times as much as looking it up.
  return (values) => {
    const value = readPath(values, name);
    return typeof value === 'string' && value.length <= LONGEST_RESULT ? value : render(values);
  };
}

/** True for a template without any value. */
export function isConstant(source: string): boolean {
  return !source.includes('{{') && !source.includes('{%');
}

/** As `compileText`, each value percent-encoded; a result with a segment `.` or `..` is refused. */
export function compilePath(source: string): Render<string> {
  const render = compile(path, source);
  return (values) => {
    const result = render(values);
    if (result.split('/').some((segment) => segment === '.' || segment === '..')) {
      throw new Error('a value would lead out of the path');
    }
    return result;
  };
}

/** `leaf`: what happens to a text; that of requests when absent. */
export function compileJson(template: JsonTemplate, leaf = compileLeaf): Render<unknown> {
  if (typeof template === 'string') return leaf(template);
  if (Array.isArray(template)) {
    const parts = (template as readonly JsonTemplate[]).map((part) => compileJson(part, leaf));
    return (values) => parts.map((render) => render(values));
  }
  if (typeof template === 'object' && template !== null) {
    const parts = Object.entries(template).map(([name, part]) => [name, compileJson(part, leaf)] as const);
    return (values) => Object.fromEntries(parts.map(([name, render]) => [name, render(values)]));
  }
  return () => template;
}

function compileLeaf(source: string): Render<unknown> {
  const name = ONE_NAME.exec(source)?.[1];
  if (name === undefined || !isValuePath(name)) return compileText(source);
  return (values) => {
    const value = readPath(values, name);
    if (value === undefined) throw new Error(`there is no value ${name}`);
    if (!isScalar(value)) throw new Error(`the value ${name} is neither text, number nor truth`);
    return value;
  };
}

function compile(engine: Liquid, source: string): Render<string> {
  if (source.length > LONGEST_TEMPLATE) throw new Error(`the template is longer than ${LONGEST_TEMPLATE} characters`);
  if (isConstant(source)) return () => source;
  const parsed: Template[] = engine.parse(source);
  return (values) => {
    const result = String(engine.renderSync(parsed, values));
    if (result.length > LONGEST_RESULT) throw new Error(`the result is longer than ${LONGEST_RESULT} characters`);
    return result;
  };
}
