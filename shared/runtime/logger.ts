/** pino loggers: JSON lines, constant messages, variable fields, secrets redacted by path. */
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

/** Paths that never reach a log, wherever they are in a logged object (two levels deep). */
const SECRET_FIELDS = [
  'password',
  'secret',
  'token',
  'authorization',
  'apiKey',
  'privateKey',
  'secretAccessKey',
  'sessionToken',
  'databaseUrl',
  '["x-api-key"]',
];

export interface LoggerOptions {
  readonly service: string;
  readonly level?: string;
  /** Standard output when absent. */
  readonly destination?: DestinationStream;
}

/** A service's root logger; children carry `tenant`, `fileId`, `jobId`, `step`, `attempt`. */
export function createLogger({ service, level = 'info', destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: SECRET_FIELDS.flatMap((field) => {
        const nested = field.startsWith('[') ? `*${field}` : `*.${field}`;
        return [field, nested];
      }),
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
