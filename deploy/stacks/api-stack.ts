/**
 * The door of the control API: a load balancer behind a WAF, which is before partners' APIs as well.
 *
 * 1. Made before the services: the control API registers with it, and waits for it.
 * 2. Known bad inputs are refused, and there is a limit for each address; who may come at all is said by networks.
 */
import { Duration } from 'aws-cdk-lib';
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as waf from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import { ApiFirewall } from '../doors/api-firewall.ts';
import { DoorHealth } from '../doors/door-health.ts';
import { acknowledge } from './acknowledge.ts';
import { addFailoverName, admitHealthCheckers, publicName, standbyName } from './failover-name.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

export const API_PORT = 8080;
export const HEALTH_PORT = 9464;
export class ApiStack extends FleetStack {
  readonly loadBalancer: elb.ApplicationLoadBalancer;
  readonly targets: elb.ApplicationTargetGroup;
  readonly certificate: Certificate;
  readonly listener: elb.ApplicationListener;
  readonly group: ec2.SecurityGroup;
  readonly firewall: waf.CfnWebACL;

  constructor(scope: Construct, fleet: Fleet, { vpc, key }: NetworkStack) {
    super(scope, 'api', fleet);
    this.group = this.#createGroup(vpc);
    this.targets = new elb.ApplicationTargetGroup(this, 'ControlApi', {
      vpc,
      port: API_PORT,
      // With certificates of the tasks' own, which it does not check.
      protocol: elb.ApplicationProtocol.HTTPS,
      targetType: elb.TargetType.IP,
      deregistrationDelay: Duration.seconds(15),
      healthCheck: {
        // The service's state alone, without TLS.
        protocol: elb.Protocol.HTTP,
        path: '/readyz',
        port: String(HEALTH_PORT),
        interval: Duration.seconds(10),
        healthyThresholdCount: 2,
      },
    });
    this.loadBalancer = this.#createLoadBalancer(vpc);
    this.certificate = this.#createCertificate();
    this.listener = this.#listen();
    this.firewall = new ApiFirewall(this, key).acl;
    new waf.CfnWebACLAssociation(this, 'Guard', {
      webAclArn: this.firewall.attrArn,
      resourceArn: this.loadBalancer.loadBalancerArn,
    });
    if (this.hasPrivateDoors) new DoorHealth(this, this.targets);
    addFailoverName(this, {
      service: 'api',
      port: 443,
      endpoint: this.loadBalancer.loadBalancerDnsName,
      // Of the service, and open to all: without a healthy task the load balancer answers 503.
      healthPath: '/openapi.json',
      standby: standbyName(fleet, 'api'),
    });
  }

  #createGroup(vpc: ec2.IVpc): ec2.SecurityGroup {
    const group = new ec2.SecurityGroup(this, 'LoadBalancerGroup', {
      vpc,
      description: 'HTTPS to the control API',
      allowAllOutbound: false,
    });
    const { api } = this.fleet.settings;
    for (const cidr of api.allowedCidrs) group.addIngressRule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(443));
    admitHealthCheckers(group, this.fleet, 443);
    for (const port of [API_PORT, HEALTH_PORT]) {
      group.addEgressRule(ec2.Peer.ipv4(vpc.vpcCidrBlock), ec2.Port.tcp(port), 'tasks of the control API');
    }
    return group;
  }

  #createLoadBalancer(vpc: ec2.IVpc): elb.ApplicationLoadBalancer {
    const loadBalancer = new elb.ApplicationLoadBalancer(this, 'LoadBalancer', {
      // Ends with neither the 33rd character nor a hyphen.
      loadBalancerName: `${this.fleet.prefix}-api`.slice(0, 32).replace(/-+$/, ''),
      vpc,
      internetFacing: !this.hasPrivateDoors,
      vpcSubnets: { subnetGroupName: this.hasPrivateDoors ? 'fleet' : 'public' },
      securityGroup: this.group,
      dropInvalidHeaderFields: true,
      desyncMitigationMode: elb.DesyncMitigationMode.STRICTEST,
      deletionProtection: this.size.isKept,
    });
    loadBalancer.logAccessLogs(this.#createLogBucket());
    return loadBalancer;
  }

  #createCertificate(): Certificate {
    const { domain } = this.fleet.settings;
    const zone = HostedZone.fromHostedZoneAttributes(this, 'Zone', {
      hostedZoneId: domain.zoneId,
      zoneName: domain.zoneName,
    });
    return new Certificate(this, 'Certificate', {
      domainName: publicName(this.fleet, 'api'),
      validation: CertificateValidation.fromDns(zone),
    });
  }

  #listen(): elb.ApplicationListener {
    return this.loadBalancer.addListener('Https', {
      port: 443,
      protocol: elb.ApplicationProtocol.HTTPS,
      certificates: [this.certificate],
      sslPolicy: elb.SslPolicy.TLS13_RES,
      // Who may come is said by the group above.
      open: false,
      defaultTargetGroups: [this.targets],
    });
  }

  /** The load balancer's own account writes it, and has no key of ours. */
  #createLogBucket(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'LoadBalancerLogs', {
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [{ expiration: Duration.days(this.size.logRetentionDays) }],
      removalPolicy: this.removalPolicy,
    });
    acknowledge(bucket, { S1: 'It holds access logs itself.' });
    return bucket;
  }
}
