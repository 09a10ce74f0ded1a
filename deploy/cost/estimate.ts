/**
 * What a load costs in a month, by service of AWS: with this fleet, and with Step Functions, Lambda and DynamoDB in its place. What both
 * need (SFTP, objects, the API's door) is in both, so that the totals can be compared.
 */
import { databaseFilesPerSecond } from '#shared/scaling/database-capacity.ts';
import { messagesPerSecondPerTask, PLANNED_UTILISATION } from '#shared/scaling/scaling-policy.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';
import { SERVICES } from '../services/service-catalogue.ts';
import { FLEET_SIZES } from '../sizes.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import type { Load } from './load.ts';
import { PRICES } from './prices.ts';
import { type CostLine, keptGib, line, storageLines } from './storage.ts';

const A = ASSUMPTIONS;
const GIB = 1024 ** 3;
const HOURS = A.daysPerMonth * 24;
const { prod } = FLEET_SIZES;

export const total = (lines: readonly CostLine[]): number => lines.reduce((sum, { dollars }) => sum + dollars, 0);

/** By name, on average over the day: the least of each, and in the busy hours what the load needs. */
export function averageTasks({ filesPerDay }: Load): Record<string, number> {
  const perSecond = filesPerDay / (A.busyHours * 3_600);
  return Object.fromEntries(
    SERVICES.map(({ name, queue }) => {
      const { minTasks, cpu } = prod.tasks[name];
      if (queue === undefined || name === 'large-file-worker') return [name, minTasks];
      const each = messagesPerSecondPerTask(SERVICE_OBJECTIVES[name as ScaledService].capacity, cpu / 1_024);
      const busy = Math.max(minTasks, Math.ceil(perSecond / each));
      return [name, (busy * A.busyHours + minTasks * (24 - A.busyHours)) / 24];
    }),
  );
}

export function fleetCost(load: Load): CostLine[] {
  const files = load.filesPerDay * A.daysPerMonth;
  const tasks = averageTasks(load);
  const taskCount = Object.values(tasks).reduce((sum, count) => sum + count, 0);
  const perQueue = (files * A.requestsPerMessage) / A.messagesPerBatch;
  const polls = A.pollsPerTaskPerDay * A.daysPerMonth * taskCount;
  return [
    line('Fargate', fargate(tasks), `${taskCount.toFixed(1)} tasks on average`),
    line('Aurora', aurora(load), `${averageCapacity(load).toFixed(1)} capacity units, writer and reader`),
    line(
      'SQS',
      ((2 * perQueue + polls) / 1e6) * PRICES.sqs.millionStandard + (perQueue / 1e6) * PRICES.sqs.millionFifo,
      `${A.messagesPerFile} messages a file, ${A.messagesPerBatch} in a request`,
    ),
    line('SNS', ((files * A.noticesPerFile) / 1e6) * PRICES.sns.millionPublishes, `${A.noticesPerFile} notices a file`),
    line(
      'Endpoints',
      A.interfaceEndpoints * A.zones * PRICES.endpoint.hour * HOURS,
      `${A.interfaceEndpoints} of them in ${A.zones} zones`,
    ),
    line(
      'NAT',
      prod.natGateways * PRICES.nat.hour * HOURS,
      `${prod.natGateways}, for calls of partners; their bytes not counted`,
    ),
    line(
      'Public addresses',
      A.publicAddresses * PRICES.publicAddress.hour * HOURS,
      `${A.publicAddresses}: NAT, SFTP, load balancer`,
    ),
    line('Task logs', taskLogs(taskCount), 'EMF and Container Insights'),
    line('Metrics', metrics(taskCount), `${A.seriesPerTask} series of each task; alarms and metrics of CloudWatch`),
    ...commonCost(load),
    line('Audit', audit(files), 'trail of changes and objects, Config, GuardDuty'),
    evidence(load),
  ];
}

/** What a standby in another region adds to the bill of its home. */
export function standbyCost(load: Load): CostLine[] {
  const files = load.filesPerDay * A.daysPerMonth;
  const copied = ((files * load.averageBytes) / GIB) * A.s3WritesPerFile;
  const { s3, aurora: db } = PRICES;
  const landed = (load.filesPerDay * load.averageBytes * Math.min(A.replicaDays, load.month * A.daysPerMonth)) / GIB;
  return [
    line(
      'Replication',
      copied * (s3.regionGib + s3.replicationTimeGib),
      `${A.s3WritesPerFile} copies of every byte, within 15 minutes`,
    ),
    line('S3 requests', ((files * A.s3WritesPerFile) / 1e3) * s3.thousandWrites, 'a write for each copy'),
    ...storageLines(load),
    evidence(load),
    line('S3 storage, landing', landed * s3.gibMonth, `replicas for ${A.replicaDays} days`),
    line(
      'Aurora',
      prod.databaseCapacity.min * (1 + prod.databaseReaders) * db.capacityUnitHour * HOURS +
        rowsGib(load) * db.gibMonth +
        ((files * A.databaseRequestsPerFile) / 1e6) * db.millionReplicatedWrites,
      'the least capacity, its storage, replicated writes',
    ),
    line('Endpoints', A.interfaceEndpoints * A.zones * PRICES.endpoint.hour * HOURS, 'as at home'),
    line('API door', apiDoor(), 'there before a failover'),
    line(
      'Public addresses',
      2 * A.zones * PRICES.publicAddress.hour * HOURS,
      `${2 * A.zones}: load balancer, and those of NAT that partners know`,
    ),
    line(
      'Keys and secrets',
      A.keys * PRICES.kms.keyMonth + 2 * PRICES.secrets.secretMonth,
      'a key, replicas of secrets',
    ),
  ];
}

/** Of one lane with its own partner-workers (`ownLanes`), at their least. */
export function laneCost(): CostLine[] {
  const { minTasks } = prod.tasks['partner-worker'];
  const tasks = { 'partner-worker': minTasks };
  const polls = A.pollsPerTaskPerDay * A.daysPerMonth * minTasks;
  return [
    line('Fargate', fargate(tasks), `${minTasks} tasks of partner-worker`),
    line('SQS', (polls / 1e6) * PRICES.sqs.millionStandard, 'polls'),
    line('Task logs', taskLogs(minTasks), 'EMF and Container Insights'),
    line('Metrics', samples(minTasks), `${A.seriesPerTask} series of each task`),
  ];
}

/** Of mails of campaigns, with what is reported of them; the rows are in the fleet's database. */
export function mailCost(mails: number): CostLine[] {
  const requests = (mails * A.reportsPerMail * A.requestsPerMessage) / A.messagesPerBatch;
  return [
    line('SES', (mails / 1_000) * PRICES.ses.thousandMails, 'without attachments and dedicated addresses'),
    line('SQS', (requests / 1e6) * PRICES.sqs.millionStandard, `${A.reportsPerMail} reports a mail`),
  ];
}

/** The same files through a state machine each, with functions for its steps and items for its state. */
export function serverlessCost(load: Load): CostLine[] {
  const files = load.filesPerDay * A.daysPerMonth;
  const { lambda, dynamodb, stepFunctions } = PRICES;
  const runs = files * A.lambdasPerFile;
  return [
    line(
      'Step Functions',
      ((files * A.transitionsPerFile) / 1e3) * stepFunctions.thousandTransitions,
      `${A.transitionsPerFile} transitions a file, standard workflows`,
    ),
    line(
      'Lambda',
      runs * A.lambdaSeconds * A.lambdaGib * lambda.gibSecondArm + (runs / 1e6) * lambda.millionRequests,
      `${A.lambdasPerFile} functions a file, ${A.lambdaSeconds} s of ${A.lambdaGib} GiB each`,
    ),
    line(
      'DynamoDB',
      ((files * A.dynamoWritesPerFile) / 1e6) * dynamodb.millionWrites +
        ((files * A.dynamoReadsPerFile) / 1e6) * dynamodb.millionReads +
        keptGib({ ...load, averageBytes: A.dynamoBytesPerFile }, A.rowDays) * dynamodb.gibMonth,
      `${A.dynamoWritesPerFile} writes and ${A.dynamoReadsPerFile} reads a file, on demand`,
    ),
    ...commonCost(load),
  ];
}

function commonCost(load: Load): CostLine[] {
  const files = load.filesPerDay * A.daysPerMonth;
  const gib = (files * load.averageBytes) / GIB;
  const { s3, transfer, events } = PRICES;
  return [
    ...storageLines(load),
    line(
      'S3 requests',
      ((files * A.s3WritesPerFile) / 1e3) * s3.thousandWrites + ((files * A.s3ReadsPerFile) / 1e3) * s3.thousandReads,
      `${A.s3WritesPerFile} writes and ${A.s3ReadsPerFile} reads a file`,
    ),
    line('Transfer Family', transfer.endpointHour * HOURS + gib * transfer.gib, 'one SFTP server, every byte over it'),
    line(
      'EventBridge',
      ((files * A.eventsPerFile) / 1e6) * events.millionOptIn +
        ((files * A.eventsPerFile * A.eventBytes) / GIB) * events.archiveGib,
      `${A.eventsPerFile} events of landing a file, and their archive`,
    ),
    line('Logs', logsOf((files * A.logBytesPerFile) / GIB), `${A.logBytesPerFile} bytes a file`),
    line('API door', apiDoor(), 'load balancer and WAF'),
    line(
      'Keys and secrets',
      A.keys * PRICES.kms.keyMonth + A.secrets * PRICES.secrets.secretMonth,
      `one key, ${A.secrets} secrets`,
    ),
  ];
}

function fargate(tasks: Readonly<Record<string, number>>): number {
  return SERVICES.reduce((sum, { name }) => {
    const { cpu, memoryMiB } = prod.tasks[name];
    const hour = (cpu / 1_024) * PRICES.fargate.vcpuHour + (memoryMiB / 1_024) * PRICES.fargate.gibHour;
    return sum + (tasks[name] ?? 0) * hour * HOURS;
  }, 0);
}

/** In the busy hours as many units as bear the files, planned as tasks are, and never under the least. */
function averageCapacity({ filesPerDay }: Load): number {
  const perSecond = filesPerDay / (A.busyHours * 3_600);
  const { min, max } = prod.databaseCapacity;
  const busy = Math.min(max, Math.max(min, perSecond / (databaseFilesPerSecond(1) * PLANNED_UTILISATION)));
  return (busy * A.busyHours + min * (24 - A.busyHours)) / 24;
}

/** Rows stay until their time is over. */
function rowsGib(load: Load): number {
  return keptGib({ ...load, averageBytes: A.databaseBytesPerFile }, A.rowDays);
}

function aurora(load: Load): number {
  const files = load.filesPerDay * A.daysPerMonth;
  const { capacityUnitHour, gibMonth, millionRequests } = PRICES.aurora;
  const instances = 1 + prod.databaseReaders;
  return (
    averageCapacity(load) * instances * capacityUnitHour * HOURS +
    rowsGib(load) * gibMonth +
    ((files * A.databaseRequestsPerFile) / 1e6) * millionRequests
  );
}

function apiDoor(): number {
  const { loadBalancer, waf } = PRICES;
  return (loadBalancer.hour + loadBalancer.capacityUnitHour) * HOURS + waf.aclMonth + 5 * waf.ruleMonth;
}

/** Taken in once, and kept for their days. */
function logsOf(gib: number): number {
  const { logs } = PRICES;
  return gib * logs.gib + (gib * logs.gibMonth * A.logDays) / A.daysPerMonth;
}

function audit(files: number): number {
  const { trail, config, guardDuty, s3 } = PRICES;
  const accesses = files * (A.s3WritesPerFile + A.s3ReadsPerFile);
  return (
    (A.managementEventsPerMonth / 1e5) * trail.hundredThousandManagement +
    (accesses / 1e5) * trail.hundredThousandData +
    (accesses / 1e6) * guardDuty.millionS3Events +
    ((files * A.auditBytesPerFile) / GIB) * s3.gibMonth +
    A.configItemsPerMonth * config.item +
    (A.configEvaluationsPerMonth / 1e3) * config.thousandEvaluations
  );
}

function evidence(load: Load): CostLine {
  const kept = keptGib({ ...load, averageBytes: A.evidenceBytesPerFile }, Number.POSITIVE_INFINITY);
  return line('Evidence', kept * PRICES.s3.gibMonth, `${A.evidenceBytesPerFile} bytes a file, kept for good`);
}

function taskLogs(taskCount: number): number {
  return logsOf((taskCount * A.logBytesPerTaskPerDay * A.daysPerMonth) / GIB);
}

function samples(taskCount: number): number {
  const count = taskCount * A.seriesPerTask * A.samplesPerSeriesPerDay * A.daysPerMonth;
  return (count / 1e7) * PRICES.metrics.tenMillionSamples;
}

function metrics(taskCount: number): number {
  const { alarmMetricMonth, metricMonth } = PRICES.metrics;
  return samples(taskCount) + A.alarmMetrics * alarmMetricMonth + A.customMetrics * metricMonth;
}
