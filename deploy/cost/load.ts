/** The load that is priced, and what is assumed of it: every assumption is printed beside the result. */

export interface Load {
  readonly filesPerDay: number;
  readonly averageBytes: number;
}

/** What each file asks of the fleet. `npm run bench -- pipeline` counts requests and statements of a file, in a flood, for comparison. */
export const ASSUMPTIONS = {
  /** A 30-day month. */
  daysPerMonth: 30,
  /** `landing`, `ingest.fifo`, one queue of work; sends, receives and deletes in batches, filled to this many. */
  messagesPerFile: 3,
  messagesPerBatch: 5,
  /** Send, receive, delete. */
  requestsPerMessage: 3,
  /** Empty long polls: pollers × 3 a minute × tasks, small beside the rest at this load. */
  pollsPerTaskPerDay: 4_320,
  /** Partner's upload, copies to delivered and archive. */
  s3WritesPerFile: 3,
  /** HEAD and GET of arrival, validation, confirmation. */
  s3ReadsPerFile: 4,
  /** Registered, ended on a route, file completed. */
  noticesPerFile: 3,
  /** Rows and their indexes. */
  databaseBytesPerFile: 6_000,
  /** Requests of storage, as they are billed. */
  databaseRequestsPerFile: 12,
  /** One capacity unit bears so many of them a second. */
  databaseRequestsPerUnit: 40,
  /** Those of landing: created and deleted; an archive keeps them. */
  eventsPerFile: 2,
  eventBytes: 1_200,
  /** Lines of the log. */
  logBytesPerFile: 2_500,
  logDays: 90,
  /** Delivered and archived copies both. */
  storedCopies: 2,
  storedDays: 30,
  /** Fleet gauges, histograms: series of one task, each 15 s. */
  seriesPerTask: 400,
  samplesPerSeriesPerDay: 5_760,
  /** In CloudWatch: those that alarms and scaling read, and those of Container Insights, buckets and fleet gauges. */
  alarmMetrics: 100,
  customMetrics: 170,
  /** Sent, delivered or bounced. */
  reportsPerMail: 2,
  interfaceEndpoints: 8,
  zones: 3,
  secrets: 20,
  /** The day's files are assumed to come within so many hours. */
  busyHours: 12,
  /** A step of a state machine for each of: start, validate, stage, deliver, confirm, archive, notify, end; with choices and retries. */
  transitionsPerFile: 12,
  /** Functions called for a file, each so long and large. */
  lambdasPerFile: 7,
  lambdaSeconds: 0.4,
  lambdaGib: 0.5,
  /** Items written and read for a file: file, job, six steps, audit; no transactions. */
  dynamoWritesPerFile: 14,
  dynamoReadsPerFile: 10,
  dynamoBytesPerFile: 6_000,
} as const;

/** What a bill has as well. */
export const NOT_COUNTED = [
  'bytes through NAT and endpoints, and between zones and regions',
  'the second region, CloudTrail data events, Config, GuardDuty',
  'calls of keys, health checks, requests that WAF looks at, backups of the database beyond its size',
  'tasks for bursts (npm run simulate), and large files',
  'support, taxes; discounts, savings plans and free tiers the other way round',
];

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
};

/** `2MB`, `512 KiB`. @throws RangeError */
export function parseBytes(text: string): number {
  const [, amount = '', unit = 'B'] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)?$/.exec(text) ?? [];
  const factor = UNITS[unit.toUpperCase()];
  if (amount === '' || factor === undefined) throw new RangeError(`${text} is not a size such as 2MB`);
  return Number(amount) * factor;
}
