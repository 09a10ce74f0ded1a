/** The table `events` over the bucket `evidence`, and the questions that are kept with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { EVIDENCE_COLUMNS, EVIDENCE_PARTITIONS, EVIDENCE_PREFIX } from '#shared/evidence/evidence-columns.ts';

/** No line is older. */
const FIRST_DAY = '2026-01-01';
export const JSON_SERDE = 'org.openx.data.jsonserde.JsonSerDe';
/** One line that cannot be read would fail every question that meets it. It is a row without values, as in DuckDB: a count shows it. */
export const SERDE_PROPERTIES = { 'ignore.malformed.json': 'true' };

/** Athena computes the partitions: nobody adds one an hour. */
export function tableProperties(bucket: string): Readonly<Record<string, string>> {
  return {
    'projection.enabled': 'true',
    'projection.dt.type': 'date',
    'projection.dt.format': 'yyyy-MM-dd',
    'projection.dt.range': `${FIRST_DAY},NOW`,
    'projection.dt.interval': '1',
    'projection.dt.interval.unit': 'DAYS',
    'projection.hour.type': 'integer',
    'projection.hour.range': '0,23',
    'projection.hour.digits': '2',
    'storage.location.template': `${locationIn(bucket)}dt=$\{dt}/hour=$\{hour}/`,
  };
}

export function locationIn(bucket: string): string {
  return `s3://${bucket}/${EVIDENCE_PREFIX}`;
}

/** For Athena in an account where the stack is not deployed. */
export function createTable(bucket: string): string {
  const columns = EVIDENCE_COLUMNS.map(({ name, type, meaning }) => `  ${name} ${type} COMMENT '${quoted(meaning)}'`);
  const partitions = EVIDENCE_PARTITIONS.map((name) => `${name} string`);
  const properties = Object.entries(tableProperties(bucket)).map(([name, value]) => `  '${name}' = '${value}'`);
  return [
    `CREATE EXTERNAL TABLE events (\n${columns.join(',\n')}\n)`,
    `PARTITIONED BY (${partitions.join(', ')})`,
    `ROW FORMAT SERDE '${JSON_SERDE}'`,
    `WITH SERDEPROPERTIES (${Object.entries(SERDE_PROPERTIES).map(([name, value]) => `'${name}' = '${value}'`)})`,
    `LOCATION '${locationIn(bucket)}'`,
    `TBLPROPERTIES (\n${properties.join(',\n')}\n)\n`,
  ].join('\n');
}

/** For DuckDB, over a copy of the bucket's `events/` in `directory`. */
export function createView(directory: string): string {
  const types = { string: 'VARCHAR', bigint: 'BIGINT' } as const;
  const columns = EVIDENCE_COLUMNS.map(({ name, type }) => `    ${name}: '${types[type]}'`);
  const partitions = EVIDENCE_PARTITIONS.map((name) => `${name}: VARCHAR`);
  return [
    'CREATE OR REPLACE VIEW events AS',
    `SELECT * FROM read_json('${directory}/*/*/*.ndjson.gz',`,
    `  format = 'newline_delimited', ignore_errors = true, hive_partitioning = true, hive_types = {${partitions.join(', ')}},`,
    `  columns = {\n${columns.join(',\n')}\n  });\n`,
  ].join('\n');
}

function quoted(text: string): string {
  return text.replaceAll("'", "''");
}

export interface NamedQuery {
  /** Of the file, such as `p95`. */
  readonly name: string;
  /** Its first comment. */
  readonly description: string;
  readonly text: string;
}

const QUERIES = new URL('queries/', import.meta.url);

export function readQueries(): NamedQuery[] {
  const files = readdirSync(QUERIES).filter((file) => file.endsWith('.sql'));
  return files.sort().map((file) => {
    const text = readFileSync(new URL(file, QUERIES), 'utf8');
    const description = /^-- (.+)$/m.exec(text)?.[1] ?? file;
    return { name: file.replace('.sql', ''), description, text };
  });
}
