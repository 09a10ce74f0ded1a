/**
 * Loads and look-ups and the databases that they go to, over several documents: a route may name only a database that is there and that allows
 * its table.
 * Pure; what is stored already is given. What is in the files counts, not what they replace.
 */
import { faultAt, type ParsedDocument, type RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { enrichOptions } from '#shared/steps/enrich/options.ts';
import { type LoadOptions, loadOptions } from '#shared/steps/load/options.ts';
import { everyStep, type RouteStep } from './route-steps.ts';

export interface StoredDatabases {
  readonly databases: readonly {
    readonly tenantId: string;
    readonly name: string;
    readonly tables: readonly string[];
    readonly reads: readonly string[];
  }[];
}

/** The databases that the steps name; other steps are passed over, so that definitions of other versions can be asked. */
export function loadsIn(steps: readonly RouteStep[]): string[] {
  return everyStep(steps).flatMap(({ step }) => {
    const load = loadOptions.schema.safeParse(step.load);
    if (load.success) return [load.data.database];
    const lookUp = enrichOptions.schema.safeParse(step.enrich);
    return lookUp.success && 'database' in lookUp.data ? [lookUp.data.database] : [];
  });
}

export function findLoadFaults(documents: readonly ParsedDocument[], stored: StoredDatabases): RouteFileFault[] {
  const databases = new Map<string, Pick<StoredDatabases['databases'][number], 'tables' | 'reads'>>(
    stored.databases.map((database) => [`${database.tenantId}/${database.name}`, database]),
  );
  for (const { document } of documents)
    if (document.kind === 'database') databases.set(`${document.tenant}/${document.name}`, document);
  return documents.flatMap((entry) => {
    const { document } = entry;
    if (document.kind !== 'route') return [];
    return everyStep(document.steps).flatMap(({ step, path }): RouteFileFault[] => {
      const kind = step.load === undefined ? 'enrich' : 'load';
      const uses = step[kind] as Pick<LoadOptions, 'database' | 'table' | 'columns'> | undefined;
      if (uses?.database === undefined) return [];
      const { database, table, columns } = uses;
      const found = databases.get(`${document.tenant}/${database}`);
      if (found === undefined) {
        const message = `the tenant ${document.tenant} has no database ${database}; define it with kind: database`;
        return [faultAt(entry, [...path, kind, 'database'], message)];
      }
      const under = kind === 'load' ? 'tables' : 'reads';
      const allowed = found[under];
      if (!allowed.includes(table)) {
        const others = allowed.length === 0 ? 'none' : allowed.join(', ');
        const message = `the database ${database} does not allow the table ${table}; its \`${under}\` are ${others}`;
        return [faultAt(entry, [...path, kind, 'table'], message)];
      }
      if (kind === 'enrich') return [];
      const known = new Set(document.records?.columns.map(({ name }) => name));
      return Object.entries(columns ?? {})
        .filter(([, from]) => !known.has(from))
        .map(([column, from]) =>
          faultAt(entry, [...path, 'load', 'columns', column], `"${from}" is not one of the columns of \`records\``),
        );
    });
  });
}
