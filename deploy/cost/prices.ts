/**
 * List prices of AWS in us-east-1, in US dollars, without taxes, discounts, savings plans or free tiers; of prices in tiers the first.
 *
 * Written down by hand from the public price pages, of the year's middle: compare them with those pages before you decide by them.
 */
export const PRICES_AS_OF = '2025-06-30';

/** Each with its page below aws.amazon.com. */
export const PRICES = {
  /** fargate/pricing: Graviton, Linux. */
  fargate: { vcpuHour: 0.03238, gibHour: 0.00356 },
  /** rds/aurora/pricing: Serverless v2, standard storage. */
  aurora: { capacityUnitHour: 0.12, gibMonth: 0.1, millionRequests: 0.2, millionReplicatedWrites: 0.2 },
  /** s3/pricing */
  s3: {
    gibMonth: 0.023,
    /** PUT, COPY, POST and LIST. */
    thousandWrites: 0.005,
    thousandReads: 0.0004,
    /** Intelligent-Tiering: after 30 days without access, after 90; a transition and the monitoring of an object of 128 KB or more. */
    infrequentGibMonth: 0.0125,
    instantGibMonth: 0.004,
    thousandTransitions: 0.01,
    thousandObjectsMonitored: 0.0025,
    /** Replication: the bytes between two regions, and Replication Time Control on top. */
    regionGib: 0.02,
    replicationTimeGib: 0.015,
  },
  /** sqs/pricing */
  sqs: { millionStandard: 0.4, millionFifo: 0.5 },
  /** sns/pricing */
  sns: { millionPublishes: 0.5 },
  /** ses/pricing: outgoing mail, without attachments. */
  ses: { thousandMails: 0.1 },
  /** eventbridge/pricing: events that a service sends when asked to, as S3 does. */
  events: { millionOptIn: 1, archiveGib: 0.1 },
  /** aws-transfer-family/pricing */
  transfer: { endpointHour: 0.3, gib: 0.04 },
  /** vpc/pricing */
  nat: { hour: 0.045 },
  /** vpc/pricing: each public IPv4 address, used or not. */
  publicAddress: { hour: 0.005 },
  /** privatelink/pricing */
  endpoint: { hour: 0.01 },
  /** elasticloadbalancing/pricing */
  loadBalancer: { hour: 0.0225, capacityUnitHour: 0.008 },
  /** waf/pricing */
  waf: { aclMonth: 5, ruleMonth: 1 },
  /** cloudwatch/pricing */
  logs: { gib: 0.5, gibMonth: 0.03 },
  /** prometheus/pricing, cloudwatch/pricing: an alarm is paid for by the metrics it reads. */
  metrics: { tenMillionSamples: 0.9, alarmMetricMonth: 0.1, metricMonth: 0.3 },
  /** cloudtrail/pricing: the second copy of management events, and data events. */
  trail: { hundredThousandManagement: 2, hundredThousandData: 0.1 },
  /** config/pricing */
  config: { item: 0.003, thousandEvaluations: 1 },
  /** guardduty/pricing: events of S3, of the first tier. */
  guardDuty: { millionS3Events: 0.8 },
  /** kms/pricing */
  kms: { keyMonth: 1 },
  /** secrets-manager/pricing */
  secrets: { secretMonth: 0.4 },
  /** step-functions/pricing: standard workflows. */
  stepFunctions: { thousandTransitions: 0.025 },
  /** lambda/pricing: Arm. */
  lambda: { gibSecondArm: 0.0000133334, millionRequests: 0.2 },
  /** dynamodb/pricing/on-demand */
  dynamodb: { millionWrites: 0.625, millionReads: 0.125, gibMonth: 0.25 },
} as const;
