/**
 * The public name of a service of a fleet, `<service>.<home's prefix>.<zone>`: its home's endpoint while that answers, else its standby's.
 *
 * 1. Each endpoint has a name of its own, `<service>-direct.<prefix>.<zone>`, by which it is watched and referred to across regions.
 * 2. The name itself belongs to the home alone: a standby that is brought to work adds its own endpoint's name, and traffic follows.
 */
import * as route53 from 'aws-cdk-lib/aws-route53';
import { type Fleet, type FleetStack, standbyPrefix } from './fleet-stack.ts';

type NamedService = 'sftp' | 'api' | 'partners';

export interface FailoverNameOptions {
  readonly service: NamedService;
  readonly port: number;
  readonly endpoint: string;
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

export function addFailoverName(stack: FleetStack, { service, port, endpoint, standby }: FailoverNameOptions): void {
  const { settings, prefix, role } = stack.fleet;
  const { zoneId, zoneName } = settings.domain;
  const direct = `${service}-direct.${prefix}.${zoneName}`;
  const name = publicName(stack.fleet, service);
  const record = (id: string, props: Omit<route53.CfnRecordSetProps, 'hostedZoneId' | 'type' | 'ttl'>) =>
    new route53.CfnRecordSet(stack, `${service}-${id}`, { hostedZoneId: zoneId, type: 'CNAME', ttl: '60', ...props });
  record('direct', { name: direct, resourceRecords: [endpoint] });
  if (role !== 'home') return;
  const check = new route53.CfnHealthCheck(stack, `${service}-health`, {
    healthCheckConfig: {
      type: 'TCP',
      fullyQualifiedDomainName: direct,
      port,
      requestInterval: 30,
      failureThreshold: 3,
    },
    healthCheckTags: [{ key: 'Name', value: name }],
  });
  if (standby === undefined) {
    record('name', { name, resourceRecords: [direct] });
    return;
  }
  const healthCheckId = check.attrHealthCheckId;
  const primary = { failover: 'PRIMARY', setIdentifier: 'home', healthCheckId };
  record('primary', { name, resourceRecords: [direct], ...primary });
  record('secondary', { name, resourceRecords: [standby], failover: 'SECONDARY', setIdentifier: 'standby' });
}
