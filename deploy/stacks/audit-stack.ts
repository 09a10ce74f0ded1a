/** What an account may have already, hence by choice: CloudTrail, Config, GuardDuty, Macie. What they find calls, as alarms do. */
import { CfnDetector } from 'aws-cdk-lib/aws-guardduty';
import { CfnSession } from 'aws-cdk-lib/aws-macie';
import type { Construct } from 'constructs';
import { EventNotices } from '../alarms/event-notices.ts';
import { AccessTrail } from '../audit/access-trail.ts';
import { ConfigurationRules } from '../audit/configuration-rules.ts';
import { configFindings, GUARD_DUTY_FINDINGS, MACIE_FINDINGS } from '../audit/report-findings.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';
import type { StorageStack } from './storage-stack.ts';
import type { TelemetryStack } from './telemetry-stack.ts';

/** GuardDuty makes the endpoint that its agent reports to, and puts the agent into tasks that start. */
const RUNTIME_MONITORING = {
  name: 'RUNTIME_MONITORING',
  status: 'ENABLED',
  additionalConfiguration: [{ name: 'ECS_FARGATE_AGENT_MANAGEMENT', status: 'ENABLED' }],
};

export interface AuditParts {
  readonly network: NetworkStack;
  readonly storage: StorageStack;
  readonly telemetry: TelemetryStack;
}

export class AuditStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, { network, storage, telemetry }: AuditParts) {
    super(scope, 'audit', fleet);
    const { audit } = fleet.settings;
    const { key } = network;
    if (audit.cloudTrailManagementEvents || audit.cloudTrailDataEvents) {
      new AccessTrail(this, {
        key,
        managementEvents: audit.cloudTrailManagementEvents,
        dataEvents: audit.cloudTrailDataEvents,
      });
    }
    const findings = new EventNotices(this, telemetry.topics, 'page');
    if (audit.config) {
      const { names } = new ConfigurationRules(this, { landing: storage.buckets.landing });
      findings.add(configFindings(names));
    }
    if (audit.guardDuty) {
      new CfnDetector(this, 'GuardDuty', {
        enable: true,
        features: [
          ...['S3_DATA_EVENTS', 'RDS_LOGIN_EVENTS', 'LAMBDA_NETWORK_LOGS'].map((name) => ({ name, status: 'ENABLED' })),
          ...(audit.guardDutyRuntime ? [RUNTIME_MONITORING] : []),
        ],
      });
      findings.add(GUARD_DUTY_FINDINGS);
    }
    if (audit.macie) {
      new CfnSession(this, 'Macie', { status: 'ENABLED', findingPublishingFrequency: 'FIFTEEN_MINUTES' });
      findings.add(MACIE_FINDINGS);
    }
  }
}

/** Whether the settings ask for any of it. */
export const isAudited = ({ settings: { audit } }: Fleet): boolean => Object.values(audit).includes(true);
