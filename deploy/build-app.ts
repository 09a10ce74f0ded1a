/** All stacks of all fleets of one settings file, in the order in which they build on each other. */
import { App, type AppProps, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { DeploySettings } from './settings.ts';
import { AlarmsStack } from './stacks/alarms-stack.ts';
import { ApiStack } from './stacks/api-stack.ts';
import { AuditStack, isAudited } from './stacks/audit-stack.ts';
import { BackupStack } from './stacks/backup-stack.ts';
import { DataStack } from './stacks/data-stack.ts';
import { EvidenceStack } from './stacks/evidence-stack.ts';
import { type Fleet, standbyPrefix } from './stacks/fleet-stack.ts';
import { MailStack } from './stacks/mail-stack.ts';
import { MessagingStack } from './stacks/messaging-stack.ts';
import { NetworkStack } from './stacks/network-stack.ts';
import { PartnerApisStack } from './stacks/partner-apis-stack.ts';
import { ServicesStack } from './stacks/services-stack.ts';
import { SftpLoginsStack } from './stacks/sftp-logins-stack.ts';
import { SftpStack } from './stacks/sftp-stack.ts';
import { StandbyAlarmsStack } from './stacks/standby-alarms-stack.ts';
import { StorageStack } from './stacks/storage-stack.ts';
import { TelemetryStack } from './stacks/telemetry-stack.ts';

/** Behaviours of the CDK that newer applications have by default. */
const CONTEXT = {
  '@aws-cdk/core:strictCfnValidateErrors': true,
  '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy': true,
  '@aws-cdk/aws-ec2:restrictDefaultSecurityGroup': false,
  '@aws-cdk/aws-iam:minimizePolicies': false,
  '@aws-cdk/core:enablePartitionLiterals': true,
  '@aws-cdk/aws-apigateway:disableCloudWatchRole': true,
  '@aws-cdk/aws-rds:preventRenderingDeprecatedCredentials': true,
  '@aws-cdk/aws-ecs:removeDefaultDeploymentAlarm': true,
  '@aws-cdk/aws-ecs:enableImdsBlockingDeprecatedFeature': false,
  '@aws-cdk/aws-events:eventsTargetQueueSameAccount': true,
};

export function buildApp(settings: DeploySettings, { context, ...props }: AppProps = {}): App {
  const app = new App({ analyticsReporting: false, context: { ...CONTEXT, ...context }, ...props });
  // Every finding is an error, and a synthesis with errors gives nothing.
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  for (const home of settings.homes) {
    const isLost = settings.failedOver === home.region;
    const own = buildFleet(app, {
      settings,
      home,
      region: home.region,
      role: isLost ? 'fenced' : 'home',
      prefix: home.prefix,
      place: home,
    });
    const other = settings.homes.find(({ region }) => region !== home.region);
    if (other === undefined || home.standbyCidr === undefined) continue;
    const standby = buildFleet(app, {
      settings,
      home,
      region: other.region,
      role: isLost ? 'activated' : 'standby',
      prefix: standbyPrefix(home.prefix),
      place: { ...other, cidr: home.standbyCidr },
    });
    // S3 copies to buckets that exist, and a follower joins a global database that does.
    own.storage.addStackDependency(standby.storage);
    standby.data.addStackDependency(own.data);
  }
  return app;
}

interface FleetParts {
  readonly data: DataStack;
  readonly storage: StorageStack;
}

/**
 * A standby has all that a failover would have to ask IAM, Certificate Manager, Route 53 or SES for: bringing it to work starts tasks, ways out,
 * rules and alarms.
 */
function buildFleet(app: App, fleet: Fleet): FleetParts {
  const { settings, role } = fleet;
  const network = new NetworkStack(app, fleet);
  const data = new DataStack(app, fleet, network);
  const messaging = new MessagingStack(app, fleet, network);
  const storage = new StorageStack(app, fleet, { network, messaging });
  const telemetry = new TelemetryStack(app, fleet, network);
  const logins = new SftpLoginsStack(app, fleet, { network, data });
  const api = new ApiStack(app, fleet, network);
  const services = new ServicesStack(app, fleet, { network, data, messaging, telemetry, api });
  const partnerApis =
    settings.partnerApis === undefined
      ? undefined
      : new PartnerApisStack(app, fleet, { network, api, settings: settings.partnerApis });
  if (settings.campaigns !== undefined)
    new MailStack(app, fleet, { messaging, telemetry, domains: settings.campaigns.domains });
  if (settings.backup !== undefined)
    new BackupStack(app, fleet, { network, data, storage, telemetry, settings: settings.backup });
  if (role === 'standby') {
    new StandbyAlarmsStack(app, fleet, { data, storage, telemetry });
    return { data, storage };
  }
  // A standby is reached by the SFTP server of the region where it is, which asks its function too.
  const sftp = role !== 'activated' ? new SftpStack(app, fleet, { network, logins }) : undefined;
  new AlarmsStack(app, fleet, {
    ...{ network, data, messaging, storage, services, telemetry, api, sftp, logins, partnerApis },
  });
  new EvidenceStack(app, fleet, { network, storage });
  if (role !== 'activated' && isAudited(fleet)) new AuditStack(app, fleet, { network, storage, telemetry });
  return { data, storage };
}
