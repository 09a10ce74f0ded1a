/**
 * What is assumed of a load and of its year: every line is printed next to the bill.
 *
 * What the stacks are made with (sizes, days of the archive) and what the services were measured to do (processor time of a file, of the
 * database too) is read where it is, and not here: `sizes.ts`, `shared/scaling/`. Counts of the stacks' resources are compared with the templates
 * by a test.
 */
export const ASSUMPTIONS = {
  /** A 30-day month. */
  daysPerMonth: 30,
  /** The day's files are assumed to come within so many hours. */
  busyHours: 12,
  /** `landing`, `ingest.fifo`, one queue of work; sends, receives and deletes in batches, filled to this many. */
  messagesPerFile: 3,
  messagesPerBatch: 5,
  /** Send, receive, delete. */
  requestsPerMessage: 3,
  /** Empty long polls: pollers × 3 a minute × tasks, small next to the rest at this load. */
  pollsPerTaskPerDay: 4_320,
  /** Partner's upload, copies to delivered and archive: PUTs each, and objects that are replicated. */
  s3WritesPerFile: 3,
  /** HEAD and GET of arrival, validation, confirmation. */
  s3ReadsPerFile: 4,
  /** Registered, ended on a route, file completed. */
  noticesPerFile: 3,
  /** Rows and their indexes. */
  databaseBytesPerFile: 6_000,
  /** How long rows of files are kept (`longshore retention`). */
  rowDays: 365,
  /** Requests of storage, as they are billed. */
  databaseRequestsPerFile: 12,
  /** Those of landing: created and deleted; an archive keeps them. */
  eventsPerFile: 2,
  eventBytes: 1_200,
  /** Lines of the services' logs. */
  logBytesPerFile: 2_500,
  /** Of the collector for CloudWatch (EMF) and of Container Insights, which are billed as logs. */
  logBytesPerTaskPerDay: 30_000_000,
  logDays: 90,
  /** Of S3's accesses, the trail's data events: delivered as files, stored for their time. */
  auditBytesPerFile: 6_000,
  /** Sealed lines of the audit, gzipped, in the bucket `evidence`: kept for good. */
  evidenceBytesPerFile: 830,
  /** Objects in `delivered` stay so long (your lifecycle rule, or a retention rule). */
  deliveredDays: 365,
  /** Where a standby deletes replicas of landing. */
  replicaDays: 14,
  /** Fleet gauges, histograms: series of one task, each 15 s. */
  seriesPerTask: 400,
  samplesPerSeriesPerDay: 5_760,
  /** In CloudWatch: metrics that alarms read, and those of Container Insights, buckets and fleet gauges. */
  alarmMetrics: 200,
  customMetrics: 200,
  /** Sent, delivered or bounced. */
  reportsPerMail: 2,
  interfaceEndpoints: 8,
  zones: 3,
  /** Of the load balancer, of NAT gateways and of the SFTP server: one for each zone. */
  publicAddresses: 9,
  keys: 1,
  secrets: 20,
  configItemsPerMonth: 5_000,
  configEvaluationsPerMonth: 10_000,
  managementEventsPerMonth: 500_000,
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
  'bytes through NAT and endpoints, and between zones',
  'calls of keys, health checks, requests that WAF looks at, Macie by the bytes that it reads',
  'backups of the database beyond its size, archived objects that are read again',
  'tasks for bursts (npm run simulate), and large files',
  'by choice: snapshots in AWS Backup, flow logs of all connections, GuardDuty in tasks, its endpoint',
  'questions to Athena, by the bytes that they read',
  'support, taxes; discounts, savings plans and free tiers the other way round',
];
