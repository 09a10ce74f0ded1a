/**
 * What a migration takes away from services of the version before, which run on until the last of them is replaced: tables, columns, functions
 * and unique keys that they name, and columns that they do not fill.
 *
 * 1. Something may be dropped if the same file makes it again: a check with more values, a function with more columns.
 */

interface Rule {
  readonly fault: string;
  /** Of a statement; `name` is what it is about. */
  readonly pattern: RegExp;
  /** Makes up for it, in the same file. */
  readonly madeAgain?: (name: string) => RegExp;
}

const NAME = String.raw`"?(?<name>[\w.]+)"?`;
const escaped = (name: string) => name.replaceAll('.', String.raw`\.`);
const again = (what: string) => (name: string) => new RegExp(`${what}\\s+"?${escaped(name)}"?`, 'i');

const RULES: readonly Rule[] = [
  { fault: 'drops a table', pattern: new RegExp(`^DROP TABLE (?:IF EXISTS )?${NAME}`, 'i') },
  { fault: 'drops a column', pattern: new RegExp(`DROP COLUMN (?:IF EXISTS )?${NAME}`, 'i') },
  { fault: 'renames', pattern: new RegExp(`^ALTER \\w+ ${NAME}.* RENAME `, 'i') },
  { fault: 'changes a type', pattern: new RegExp(`ALTER COLUMN ${NAME} (?:SET DATA )?TYPE`, 'i') },
  { fault: 'asks for a value', pattern: new RegExp(`ALTER COLUMN ${NAME} SET NOT NULL`, 'i') },
  {
    fault: 'asks for a value',
    pattern: new RegExp(`^(?!.*DEFAULT|.*GENERATED)ALTER TABLE .* ADD COLUMN ${NAME} .*NOT NULL`, 'i'),
  },
  {
    fault: 'drops a constraint',
    pattern: new RegExp(`DROP CONSTRAINT (?:IF EXISTS )?${NAME}`, 'i'),
    madeAgain: again('ADD CONSTRAINT'),
  },
  {
    fault: 'drops a function',
    pattern: new RegExp(`^DROP FUNCTION (?:IF EXISTS )?${NAME}`, 'i'),
    madeAgain: again('CREATE (?:OR REPLACE )?FUNCTION'),
  },
  { fault: 'narrows a table', pattern: /^CREATE UNIQUE INDEX (?:IF NOT EXISTS )?"?(?<name>\w+)"? ON/i },
];

/** Faults of the migration whose statements are in `text`, such as `drops a column: size`. */
export function findBreakingStatements(text: string): string[] {
  const statements = text
    .split('--> statement-breakpoint')
    .flatMap((part) => part.split(/;\s*$/m))
    .map((part) =>
      part
        .replaceAll(/^\s*--.*$/gm, '')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    );
  const made = new Set(
    statements.flatMap((each) => /^CREATE TABLE (?:IF NOT EXISTS )?"?(\w+)"?/i.exec(each)?.[1] ?? []),
  );
  return statements.flatMap((statement) =>
    RULES.flatMap(({ fault, pattern, madeAgain }) => {
      const name = pattern.exec(statement)?.groups?.name;
      if (name === undefined || madeAgain?.(name).test(text.replace(statement, ''))) return [];
      // Nobody uses a table that is made here.
      const table = / ON (?:ONLY )?"?(\w+)"?|^ALTER TABLE (?:ONLY )?"?(\w+)"?/i.exec(statement);
      return made.has(table?.[1] ?? table?.[2] ?? '') ? [] : [`${fault}: ${name}`];
    }),
  );
}
