/** What every stack of a fleet is given, and how it is named and tagged. */
import { Aspects, DefaultStackSynthesizer, PermissionsBoundary, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { DeploySettings, HomeSettings } from '../settings.ts';
import { FLEET_SIZES, type FleetSize } from '../sizes.ts';
import { ThisAccountOnly } from './this-account-only.ts';

/**
 * `home` serves its tenants; `standby` holds what another region needs to serve them: data that follow, queues, services at zero.
 * `activated` is a standby that was brought to work, and `fenced` its home meanwhile: when its region is back it takes no file, runs no
 * task, and its names lead to the standby.
 */
export type FleetRole = 'home' | 'standby' | 'activated' | 'fenced';

export interface Fleet {
  readonly settings: DeploySettings;
  readonly home: HomeSettings;
  /** The region where the stacks stand: the home's own, or the other one's for its standby. */
  readonly region: string;
  readonly role: FleetRole;
  /** Of queues, buckets and topics: the home's, and another one for its standby. */
  readonly prefix: string;
  readonly place: FleetPlace;
}

/** The network of the region where the stacks are. */
export interface FleetPlace {
  readonly cidr: string;
  readonly availabilityZones: readonly string[];
  /** Whose addresses look whether this region's doors answer: a prefix list; undefined without a pair. */
  readonly healthCheckers?: string | undefined;
}

export const standbyPrefix = (prefix: string): string => `${prefix}-standby`;

export abstract class FleetStack extends Stack {
  readonly fleet: Fleet;
  readonly size: FleetSize;

  constructor(scope: Construct, name: string, fleet: Fleet) {
    const {
      account,
      deployment: { permissionsBoundary, qualifier },
    } = fleet.settings;
    super(scope, `${fleet.prefix}-${name}`, {
      env: { region: fleet.region, ...(account !== undefined && { account }) },
      synthesizer: new DefaultStackSynthesizer(qualifier === undefined ? {} : { qualifier }),
      ...(permissionsBoundary !== undefined && {
        permissionsBoundary: PermissionsBoundary.fromName(permissionsBoundary),
      }),
      description: `Longshore ${name}, ${fleet.role} of ${fleet.home.region}`,
      terminationProtection: FLEET_SIZES[fleet.settings.size].isKept,
      tags: { application: 'longshore', fleet: fleet.prefix, size: fleet.settings.size },
      crossRegionReferences: false,
    });
    Aspects.of(this).add(new ThisAccountOnly());
    this.fleet = fleet;
    this.size = FLEET_SIZES[fleet.settings.size];
  }

  /** What a first deployment made before it failed goes again: its fixed names would stop the next try. */
  get removalPolicy(): RemovalPolicy {
    return this.size.isKept ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY;
  }

  /** Services and rules work here now. */
  get isActive(): boolean {
    return this.fleet.role === 'home' || this.fleet.role === 'activated';
  }

  /** The home's own, whether it works or is fenced; all others follow it. */
  get isHome(): boolean {
    return this.fleet.role === 'home' || this.fleet.role === 'fenced';
  }

  /** Nobody comes in from the Internet. */
  get hasPrivateDoors(): boolean {
    return this.fleet.settings.doors === 'private';
  }

  queueArn(name: string): string {
    return this.formatArn({ service: 'sqs', resource: name });
  }

  get functionArchitecture(): lambda.Architecture {
    return this.fleet.settings.architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64;
  }
}
