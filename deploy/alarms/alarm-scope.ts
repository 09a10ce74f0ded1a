/** What a group of alarms is given: the stacks that it watches, and where it raises them. */
import { Duration } from 'aws-cdk-lib';
import * as cw from 'aws-cdk-lib/aws-cloudwatch';
import type { ApiStack } from '../stacks/api-stack.ts';
import type { DataStack } from '../stacks/data-stack.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';
import type { MessagingStack } from '../stacks/messaging-stack.ts';
import type { NetworkStack } from '../stacks/network-stack.ts';
import type { PartnerApisStack } from '../stacks/partner-apis-stack.ts';
import type { ServicesStack } from '../stacks/services-stack.ts';
import type { SftpLoginsStack } from '../stacks/sftp-logins-stack.ts';
import type { SftpStack } from '../stacks/sftp-stack.ts';
import type { StorageStack } from '../stacks/storage-stack.ts';
import type { TelemetryStack } from '../stacks/telemetry-stack.ts';
import type { AlarmOptions } from './raise-alarm.ts';

export interface AlarmedParts {
  readonly network: NetworkStack;
  readonly data: DataStack;
  readonly messaging: MessagingStack;
  readonly storage: StorageStack;
  readonly services: ServicesStack;
  readonly telemetry: TelemetryStack;
  /** A standby that was brought to work is reached by the other region's server. */
  readonly sftp?: SftpStack;
  readonly logins: SftpLoginsStack;
  readonly api: ApiStack;
  readonly partnerApis?: PartnerApisStack;
}

export interface AlarmScope {
  readonly stack: FleetStack;
  readonly parts: AlarmedParts;
  /** `suffix` tells apart alarms of one kind. */
  raise(options: AlarmOptions, suffix?: string): void;
}

export const MINUTE = Duration.minutes(1);

export function awsMetric(
  namespace: string,
  metricName: string,
  dimensionsMap: Record<string, string>,
  statistic: string,
): cw.Metric {
  return new cw.Metric({ namespace, metricName, dimensionsMap, statistic, period: MINUTE });
}
