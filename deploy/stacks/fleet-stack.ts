/** What every stack of a fleet is given, and how it is named and tagged. */
import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { DeploySettings, HomeSettings } from '../settings.ts';
import { FLEET_SIZES, type FleetSize } from '../sizes.ts';

/**
 * `home` serves its tenants; `standby` holds what another region needs to serve them: data that follow, queues, services at zero.
 * `activated` is a standby that was brought to work.
 */
export type FleetRole = 'home' | 'standby' | 'activated';

export interface Fleet {
  readonly settings: DeploySettings;
  readonly home: HomeSettings;
  /** The region where the stacks stand: the home's own, or the other one's for its standby. */
  readonly region: string;
  readonly role: FleetRole;
  /** Of queues, buckets and topics: the home's, and another one for its standby. */
  readonly prefix: string;
}

export const standbyPrefix = (prefix: string): string => `${prefix}-standby`;

export abstract class FleetStack extends Stack {
  readonly fleet: Fleet;
  readonly size: FleetSize;

  constructor(scope: Construct, name: string, fleet: Fleet) {
    super(scope, `${fleet.prefix}-${name}`, {
      env: { region: fleet.region },
      description: `Longshore ${name}, ${fleet.role} of ${fleet.home.region}`,
      terminationProtection: FLEET_SIZES[fleet.settings.size].isKept,
      tags: { application: 'longshore', fleet: fleet.prefix, size: fleet.settings.size },
      crossRegionReferences: false,
    });
    this.fleet = fleet;
    this.size = FLEET_SIZES[fleet.settings.size];
  }

  get removalPolicy(): RemovalPolicy {
    return this.size.isKept ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
  }

  /** Services and rules work here now. */
  get isActive(): boolean {
    return this.fleet.role !== 'standby';
  }

  protected queueArn(name: string): string {
    return this.formatArn({ service: 'sqs', resource: name });
  }
}
