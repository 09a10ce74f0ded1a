/**
 * What goes wrong at a tenant's database, as a stable code. PostgreSQL's own text can hold values of rows, and is in no message: only its
 * SQLSTATE is, and the names of table, column and constraint.
 */
import { LongshoreError } from '#shared/errors.ts';
import { RemoteError } from '#shared/remotes/remote-error.ts';

export type DatabaseFault = 'schema' | 'row-refused' | 'denied' | 'unavailable';

const CODES = {
  schema: 'LOAD_SCHEMA',
  'row-refused': 'LOAD_ROW_REFUSED',
  denied: 'LOAD_DENIED',
  unavailable: 'LOAD_UNAVAILABLE',
} as const;

export class DatabaseError extends LongshoreError {
  readonly fault: DatabaseFault;
  /** Whether the statement may have been carried out. */
  readonly isOutcomeUnknown: boolean;
  /** Of the server's error. */
  readonly sqlState: string | undefined;

  constructor(fault: DatabaseFault, message: string, { sqlState, isOutcomeUnknown = false }: FaultFacts = {}) {
    super(CODES[fault], message);
    this.sqlState = sqlState;
    this.fault = fault;
    this.isOutcomeUnknown = isOutcomeUnknown;
  }
}

interface FaultFacts {
  readonly sqlState?: string;
  readonly isOutcomeUnknown?: boolean;
}

interface ServerError {
  readonly code: string;
  readonly table_name?: string;
  readonly column_name?: string;
  readonly constraint_name?: string;
}

/** Before a statement was sent, or with nothing left of it. */
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'CONNECT_TIMEOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

export function classifyDatabaseError(error: unknown, database: string): DatabaseError {
  if (error instanceof DatabaseError) return error;
  if (error instanceof RemoteError)
    return new DatabaseError('unavailable', `The database ${database} cannot be reached: ${error.message}.`);
  if (error instanceof LongshoreError)
    return new DatabaseError('unavailable', `With the database ${database}: ${error.message}`);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^[0-9A-Z]{5}$/.test(code)) return ofServer(error as unknown as ServerError, database);
  const shown = /^[A-Z_]{2,40}$/.test(code) ? ` (${code})` : '';
  return new DatabaseError('unavailable', `The connection to the database ${database} failed${shown}.`, {
    isOutcomeUnknown: !BEFORE_SENDING.has(code),
  });
}

function ofServer(error: ServerError, database: string): DatabaseError {
  const { code } = error;
  const place = [
    error.table_name !== undefined && `table ${error.table_name}`,
    error.column_name !== undefined && `column ${error.column_name}`,
    error.constraint_name !== undefined && `constraint ${error.constraint_name}`,
  ].filter((part) => part !== false);
  const shown = [`SQLSTATE ${code}`, ...place].join(', ');
  const facts = { sqlState: code };
  if (/^(?:22|23)/.test(code) || code === '21000')
    return new DatabaseError('row-refused', `The database refuses a row (${shown}).`, facts);
  if (/^(?:42501|28|0P)/.test(code))
    return new DatabaseError('denied', `The database ${database} denies the load (${shown}).`, facts);
  if (/^(?:42|3D|3F|0A)/.test(code))
    return new DatabaseError(
      'schema',
      `The tables of the database ${database} are not as the load needs them (${shown}).`,
      facts,
    );
  // A transaction of one statement that the server gave up is gone.
  return new DatabaseError('unavailable', `The database ${database} did not carry out the load (${shown}).`, facts);
}
