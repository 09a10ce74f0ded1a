/** The program of `jsonata-mapper.ts`: records in, what the expressions make of them out, both as JSON. */
import jsonata from 'jsonata';
import { answerQuestions } from '#shared/confined/answer-questions.ts';
import { type JsonataColumns, joinColumns, REFUSED_FUNCTIONS } from './jsonata-columns.ts';

export interface JsonataQuestion {
  readonly columns: JsonataColumns;
  /** JSON: a list of records. */
  readonly records: string;
}

/** For each record its JSON, or the code of what JSONata says against it. Undefined when they are too long together. */
export type JsonataAnswer = readonly ({ readonly json: string } | { readonly code: string })[] | undefined;

const BINDINGS = Object.fromEntries(REFUSED_FUNCTIONS.map((name) => [name, undefined]));
const LIMITS = { stack: 500, sequence: 1_000_000 };
const LONGEST_ANSWER = 16_777_216;
/** Digits that a number of JavaScript holds for certain. */
const MOST_DIGITS = 15;

let known: { readonly source: string; readonly expression: jsonata.Expression } | undefined;

answerQuestions(({ columns, records }: JsonataQuestion) => answer(expressionOf(joinColumns(columns)), records));

function expressionOf(source: string): jsonata.Expression {
  if (known?.source !== source) known = { source, expression: jsonata(source, LIMITS) };
  return known.expression;
}

async function answer(expression: jsonata.Expression, records: string): Promise<JsonataAnswer> {
  const results: ({ json: string } | { code: string })[] = [];
  let length = 0;
  for (const record of JSON.parse(records, keepDigits as Parameters<typeof JSON.parse>[1])) {
    const result = await mapOne(expression, record);
    length += 'json' in result ? result.json.length : 0;
    if (length > LONGEST_ANSWER) return undefined;
    results.push(result);
  }
  return results;
}

async function mapOne(expression: jsonata.Expression, record: unknown): Promise<{ json: string } | { code: string }> {
  try {
    return { json: JSON.stringify((await expression.evaluate(record, BINDINGS)) ?? {}) };
  } catch (error) {
    // Its message can have values of the record.
    const { code } = error as { readonly code?: unknown };
    return { code: typeof code === 'string' ? code : 'an error' };
  }
}

/** A number with more digits than JavaScript keeps stays the text that it was. */
function keepDigits(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || source === undefined) return value;
  const [mantissa = ''] = source.toLowerCase().split('e');
  return mantissa.replaceAll(/[^\d]/g, '').replace(/^0+/, '').length > MOST_DIGITS ? source : value;
}
