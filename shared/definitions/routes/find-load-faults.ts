/**
 * Loads and the databases that they go to, over several documents: a route may name only a database that is there and that allows its table.
 * Pure; what is stored already is given. What is in the files counts, not what they replace.
 */
import { faultAt, type ParsedDocument, type RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { type LoadOptions, loadOptions } from '#shared/steps/load/options.ts';
import { everyStep, type RouteStep } from './route-steps.ts';

export interface StoredDatabases {
  readonly databases: readonly {
    readonly tenantId: string;
    readonly name: string;
    readonly tables: readonly string[];
  }[];
}

/** The databases that the steps name; what is no load is passed over, so that definitions of other versions can be asked. */
export function loadsIn(steps: readonly RouteStep[]): string[] {
  return everyStep(steps).flatMap(({ step }) => {
    const parsed = loadOptions.schema.safeParse(step.load);
    return parsed.success ? [parsed.data.database] : [];
  });
}

export function findLoadFaults(documents: readonly ParsedDocument[], stored: StoredDatabases): RouteFileFault[] {
  const tables = new Map(
    stored.databases.map((database) => [`${database.tenantId}/${database.name}`, database.tables]),
  );
  for (const { document } of documents)
    if (document.kind === 'database') tables.set(`${document.tenant}/${document.name}`, document.tables);
  return documents.flatMap((entry) => {
    const { document } = entry;
    if (document.kind !== 'route') return [];
    return everyStep(document.steps).flatMap(({ step, path }): RouteFileFault[] => {
      if (step.load === undefined) return [];
      const { database, table, columns } = step.load as LoadOptions;
      const allowed = tables.get(`${document.tenant}/${database}`);
      if (allowed === undefined) {
        const message = `the tenant ${document.tenant} has no database ${database}; define it with kind: database`;
        return [faultAt(entry, [...path, 'load', 'database'], message)];
      }
      if (!allowed.includes(table)) {
        const message = `the database ${database} does not allow the table ${table}; it allows ${allowed.join(', ')}`;
        return [faultAt(entry, [...path, 'load', 'table'], message)];
      }
      const known = new Set(document.records?.columns.map(({ name }) => name));
      return Object.entries(columns ?? {})
        .filter(([, from]) => !known.has(from))
        .map(([column, from]) =>
          faultAt(entry, [...path, 'load', 'columns', column], `"${from}" is not one of the columns of \`records\``),
        );
    });
  });
}
