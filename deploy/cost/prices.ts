/**
 * List prices of AWS in us-east-1, in US dollars, without taxes, discounts, savings plans or free tiers.
 *
 * Written down by hand, of the year's middle: compare them with the price pages before you decide by them.
 */
export const PRICES_AS_OF = '2025-06-30';

export const PRICES = {
  /** One capacity of Fargate on Graviton, Linux. */
  fargate: { vcpuHour: 0.03238, gibHour: 0.00356 },
  /** Aurora Serverless v2, standard storage. */
  aurora: { capacityUnitHour: 0.12, gibMonth: 0.1, millionRequests: 0.2 },
  s3: {
    gibMonth: 0.023,
    /** PUT, COPY, POST and LIST. */
    thousandWrites: 0.005,
    thousandReads: 0.0004,
  },
  sqs: { millionStandard: 0.4, millionFifo: 0.5 },
  sns: { millionPublishes: 0.5 },
  transfer: { endpointHour: 0.3, gib: 0.04 },
  nat: { hour: 0.045 },
  endpoint: { hour: 0.01 },
  loadBalancer: { hour: 0.0225, capacityUnitHour: 0.008 },
  waf: { aclMonth: 5, ruleMonth: 1 },
  logs: { gib: 0.5, gibMonth: 0.03 },
  metrics: { tenMillionSamples: 0.9, alarmMonth: 0.1 },
  kms: { keyMonth: 1 },
  secrets: { secretMonth: 0.4 },
  stepFunctions: {
    /** Standard workflows. */
    thousandTransitions: 0.025,
  },
  lambda: { gibSecondArm: 0.0000133334, millionRequests: 0.2 },
  dynamodb: { millionWrites: 0.625, millionReads: 0.125, gibMonth: 0.25 },
} as const;
