/**
 * What a route makes of a record: a template, in the same language as the requests to partners.
 *
 * 1. A text that is one name alone, such as `{{ record.id }}`, keeps the value as it is, also a list or an object; nothing there is null.
 * 2. `{{ ... | number }}` and `{{ ... | boolean }}` alone make a number or a truth of a text; anything else is Liquid, and gives text.
 */
import { parseExactJson } from '#shared/partners/exact-json.ts';
import { compileJson, type JsonTemplate, ONE_NAME, REQUEST_FILTERS } from '#shared/partners/request-template.ts';
import { isValuePath, readPath } from '#shared/partners/value-path.ts';
import { createLiquid } from '#shared/text/create-liquid.ts';
import type { RecordTree } from './source-record.ts';

export interface RecordMapping {
  /** Of the result. */
  readonly columns: readonly string[];
  /** Members of the record that it names. */
  readonly names: ReadonlySet<string>;
  /** @throws MappingFault */
  map(value: RecordTree): RecordTree;
}

export class MappingFault extends Error {}

const LONGEST_TEMPLATE = 2_048;
const TYPED = /^\{\{((?:[^{}]|\{(?!\{))+)\|\s*(number|boolean)\s*\}\}$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const engine = createLiquid({ longestTemplate: LONGEST_TEMPLATE, filters: REQUEST_FILTERS, lenient: true });

/** @throws an error that says what is wrong with the template */
export function compileMapping(template: Readonly<Record<string, JsonTemplate>>): RecordMapping {
  const names = new Set<string>();
  const render = compileJson(template, (source) => compileLeaf(source, names));
  return {
    columns: Object.keys(template),
    names,
    map: (record) => render({ record, replies: {}, meta: {} }) as RecordTree,
  };
}

type Leaf = (values: { readonly record: RecordTree }) => unknown;

function compileLeaf(source: string, names: Set<string>): Leaf {
  const name = ONE_NAME.exec(source)?.[1];
  if (name?.startsWith('record.') && isValuePath(name)) {
    names.add(name.split('.')[1] as string);
    return ({ record }) => readPath({ record }, name) ?? null;
  }
  const [, inner, type] = TYPED.exec(source) ?? [];
  if (inner === undefined) return compileLiquid(source, names);
  const text = compileLiquid(`{{${inner}}}`, names);
  return (values) => (type === 'number' ? toNumber(text(values)) : toBoolean(text(values)));
}

function compileLiquid(source: string, names: Set<string>): (values: { readonly record: RecordTree }) => string {
  if (source.length > LONGEST_TEMPLATE) throw new Error(`it is longer than ${LONGEST_TEMPLATE} characters`);
  const parsed = engine.parse(source);
  for (const [root, field] of engine.globalVariableSegmentsSync(parsed)) {
    if (root !== 'record') throw new Error(`"${String(root)}" is unknown; a mapping reads record`);
    if (typeof field !== 'string') throw new Error('name a member, as in record.id');
    names.add(field);
  }
  return (values) => {
    try {
      return String(engine.renderSync(parsed, values));
    } catch (error) {
      const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
      throw new MappingFault(
        /memory/.test(line) ? 'a template needs too much memory' : 'a template cannot be filled in',
      );
    }
  };
}

function toNumber(text: string): unknown {
  const written = text.trim();
  if (written === '') return null;
  if (!NUMBER.test(written)) throw new MappingFault('a value that must be a number is not one');
  return parseExactJson(written);
}

function toBoolean(text: string): boolean | null {
  switch (text.trim().toLowerCase()) {
    case '':
      return null;
    case 'true':
    case 'yes':
    case 'y':
    case '1':
      return true;
    case 'false':
    case 'no':
    case 'n':
    case '0':
      return false;
    default:
      throw new MappingFault('a value that must be true or false is neither');
  }
}
