/** A mapping in JSONata: one expression for each column, over the record. */
import { createRequire } from 'node:module';
import type jsonata from 'jsonata';

export type JsonataColumns = Readonly<Record<string, string>>;

/** What would give other bytes for the same file, or runs a text as an expression. */
export const REFUSED_FUNCTIONS = ['now', 'millis', 'random', 'shuffle', 'eval'] as const;
export const LONGEST_EXPRESSION = 8_192;

/** Loaded at first use: most processes never map, and it takes some megabytes. */
const load = createRequire(import.meta.url);

/** @throws an error that says what is wrong with an expression */
export function checkJsonata(columns: JsonataColumns): void {
  const compile = load('jsonata') as typeof jsonata;
  for (const [column, expression] of Object.entries(columns)) {
    if (expression.length > LONGEST_EXPRESSION)
      throw new Error(`${column}: it is longer than ${LONGEST_EXPRESSION} characters`);
    const tree = treeOf(compile, column, expression);
    const refused = REFUSED_FUNCTIONS.find((name) => namesVariable(tree, name));
    if (refused !== undefined) throw new Error(`${column}: $${refused} is not supported`);
  }
}

/** One object of all columns. Each expression was compiled alone before, so none reaches out of its brackets. */
export function joinColumns(columns: JsonataColumns): string {
  return `{${Object.entries(columns)
    .map(([column, expression]) => `${JSON.stringify(column)}: (${expression}\n)`)
    .join(', ')}}`;
}

function treeOf(compile: typeof jsonata, column: string, expression: string): unknown {
  try {
    return compile(expression).ast();
  } catch (error) {
    const { message = '' } = error as { readonly message?: string };
    throw new Error(`${column}: ${message}`);
  }
}

function namesVariable(tree: unknown, name: string): boolean {
  const left: unknown[] = [tree];
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (typeof node !== 'object' || node === null) continue;
    const { type, value } = node as { readonly type?: unknown; readonly value?: unknown };
    if (type === 'variable' && value === name) return true;
    left.push(...Object.values(node).filter((child) => child !== undefined));
  }
  return false;
}
