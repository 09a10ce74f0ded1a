/**
 * The public name of a service of a fleet, `<service>.<home's prefix>.<zone>`: its home's endpoint while that answers, else its standby's.
 *
 * 1. Each endpoint has its own name, `<service>-direct.<prefix>.<zone>`, by which it is watched and referred to across regions.
 * 2. Who looks whether an endpoint answers is let in by its own prefix list: without that every door counts as down. Private doors let nobody
 *    in from outside: there an alarm says it.
 * 3. The name itself belongs to the home alone: a standby that is brought to work adds its own endpoint's name, and traffic follows.
 */
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as route53 from 'aws-cdk-lib/aws-route53';
import { doorAlarmName } from '../doors/door-health.ts';
import { type Fleet, type FleetStack, standbyPrefix } from './fleet-stack.ts';

type NamedService = 'sftp' | 'api' | 'partners';

export interface FailoverNameOptions {
  readonly service: NamedService;
  readonly port: number;
  readonly endpoint: string;
  /** Answered with 200 while the service works; only that the port answers is asked when undefined. */
  readonly healthPath?: string;
  /** The direct name that takes over; none without a pair. */
  readonly standby: string | undefined;
}

/** The home's, also of a standby that took over. */
export function publicName({ home, settings }: Fleet, service: NamedService): string {
  return `${service}.${home.prefix}.${settings.domain.zoneName}`;
}

/** Of the endpoint that a standby has once it is brought to work. */
export function standbyName({ home, settings }: Fleet, service: NamedService): string | undefined {
  if (settings.homes.length < 2) return undefined;
  return `${service}-direct.${standbyPrefix(home.prefix)}.${settings.domain.zoneName}`;
}

export function addFailoverName(
  stack: FleetStack,
  { service, port, endpoint, healthPath, standby }: FailoverNameOptions,
): void {
  const { settings, prefix, role } = stack.fleet;
  const { zoneId, zoneName } = settings.domain;
  const direct = `${service}-direct.${prefix}.${zoneName}`;
  const name = publicName(stack.fleet, service);
  const record = (id: string, props: Omit<route53.CfnRecordSetProps, 'hostedZoneId' | 'type' | 'ttl'>) =>
    new route53.CfnRecordSet(stack, `${service}-${id}`, { hostedZoneId: zoneId, type: 'CNAME', ttl: '60', ...props });
  record('direct', { name: direct, resourceRecords: [endpoint] });
  if (!stack.isHome) return;
  if (standby === undefined) {
    record('name', { name, resourceRecords: [direct] });
    return;
  }
  const check = new route53.CfnHealthCheck(stack, `${service}-health`, {
    healthCheckConfig: stack.hasPrivateDoors
      ? {
          type: 'CLOUDWATCH_METRIC',
          alarmIdentifier: { name: doorAlarmName(prefix), region: stack.region },
          insufficientDataHealthStatus: 'Unhealthy',
        }
      : {
          // An address that accepts connections says nothing of who answers behind it.
          ...(healthPath === undefined
            ? { type: 'TCP' }
            : { type: 'HTTPS', resourcePath: healthPath, enableSni: true }),
          fullyQualifiedDomainName: direct,
          port,
          requestInterval: 30,
          failureThreshold: 3,
        },
    healthCheckTags: [{ key: 'Name', value: name }],
  });
  const healthCheckId = check.attrHealthCheckId;
  const primary = { failover: 'PRIMARY', setIdentifier: 'home', healthCheckId };
  // Fenced: it answers again, and no name leads to it.
  record('primary', { name, resourceRecords: [role === 'fenced' ? standby : direct], ...primary });
  record('secondary', { name, resourceRecords: [standby], failover: 'SECONDARY', setIdentifier: 'standby' });
}

export function admitHealthCheckers(group: ec2.SecurityGroup, { place }: Fleet, port: number): void {
  if (place.healthCheckers === undefined) return;
  group.addIngressRule(ec2.Peer.prefixList(place.healthCheckers), ec2.Port.tcp(port), 'health checks of Route 53');
}
