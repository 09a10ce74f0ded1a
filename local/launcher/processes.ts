/** The processes of the one-machine stack, in the order of their start; they stop in the reverse order. */

export const SERVICE_NAMES = [
  'ingestor',
  'router',
  'partner-worker',
  'large-file-worker',
  'retry-sweeper',
  'control-api',
] as const;

export type ServiceName = (typeof SERVICE_NAMES)[number];
/** Of the partners in the examples, the mail service and the virus scanner: they stand in for what no fleet has, and take part in nothing else. */
export const PARTNER_PROCESSES = ['partner-simulator', 'gateway', 'partner-files', 'ses', 'clamd'] as const;

export type PartnerName = (typeof PARTNER_PROCESSES)[number];

export type ProcessName = 'postgres' | 's3' | 'queues' | 'event-bridge' | 'sftp' | PartnerName | ServiceName;
