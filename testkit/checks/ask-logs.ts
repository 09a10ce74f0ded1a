/**
 * Queries of CloudWatch Logs Insights over log lines, on DuckDB: of the language what the saved queries use. A field that no line has, or a
 * command or function that is not known here, throws.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

export type LogRow = Record<string, unknown>;

const FUNCTIONS: Record<string, (of: string, second?: string) => string> = {
  count: () => 'count(*)',
  min: (of) => `min(${of})`,
  max: (of) => `max(${of})`,
  sum: (of) => `sum(TRY_CAST(${of} AS DOUBLE))`,
  latest: (of) => `arg_max(${of}, "@timestamp")`,
  sortsLast: (of) => `max(${of})`,
  pct: (of, percent) => `quantile_cont(${of}, ${Number(percent) / 100})`,
};

/** `lines`: JSON, with `time` as pino writes it; what is not JSON is passed over. */
export async function askLogs(query: string, lines: readonly string[]): Promise<LogRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-logs-'));
  const duck = await (await DuckDBInstance.create(':memory:')).connect();
  try {
    const file = join(directory, 'lines.json');
    writeFileSync(file, lines.filter((line) => line.startsWith('{')).join('\n'));
    await duck.run(`
      CREATE TABLE logs AS SELECT *, "time"::TIMESTAMPTZ AS "@timestamp"
      FROM read_json('${file}', format = 'newline_delimited', ignore_errors = true, sample_size = -1)`);
    return (await duck.runAndReadAll(toSql(query))).getRowObjectsJson() as LogRow[];
  } finally {
    duck.closeSync();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Each command reads what the one before it gives. */
function toSql(query: string): string {
  return query
    .split(/\n?\|/)
    .map((command) => command.trim().replaceAll(/\s+/g, ' '))
    .reduce((from, command) => `SELECT ${stage(command, `(${from})`)}`, 'SELECT * FROM logs');
}

function stage(command: string, from: string): string {
  const [, verb = '', rest = ''] = /^(\w+) (.+)$/.exec(command) ?? [];
  switch (verb) {
    case 'fields':
    case 'display':
      return `${rest.split(', ').map(field)}${verb === 'fields' ? ', *' : ''} FROM ${from}`;
    case 'filter':
      return `* FROM ${from} WHERE ${condition(rest)}`;
    case 'sort':
      return `* FROM ${from} ORDER BY ${rest.replace(/^\S+/, field)} NULLS LAST`;
    case 'limit':
      return `* FROM ${from} LIMIT ${Number(rest)}`;
    case 'stats':
      return stats(rest, from);
    default:
      throw new Error(`The command ${command} is not known.`);
  }
}

function stats(text: string, from: string): string {
  const [values = '', groups = ''] = text.split(' by ');
  const keys = groups.split(', ').map(field);
  const columns = [...values.matchAll(/(\w+)\(([^)]*)\) as (\w+)/g)].map(([, name = '', given = '', as]) => {
    const [of = '', second] = given.split(', ');
    const write = FUNCTIONS[name];
    if (write === undefined) throw new Error(`The function ${name} is not known.`);
    return `${write(of === '*' ? of : field(of), second)} AS "${as}"`;
  });
  return `${[...columns, ...keys]} FROM ${from} GROUP BY ${keys}`;
}

function condition(text: string): string {
  return text.replaceAll(
    /"([^"]*)"|\[([^\]]*)\]|ispresent\(([^)]+)\)|\b(and|or|not|in)\b|`[^`]+`|[@\w]+/g,
    (whole, literal?: string, list?: string, present?: string, word?: string) => {
      if (literal !== undefined) return `'${literal}'`;
      if (list !== undefined) return `(${list.replaceAll('"', "'")})`;
      if (present !== undefined) return `${field(present)} IS NOT NULL`;
      return word ?? field(whole);
    },
  );
}

function field(name: string): string {
  return `"${name.replaceAll('`', '')}"`;
}
