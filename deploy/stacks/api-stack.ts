/**
 * The door of the control API: a load balancer behind a WAF, which stands before partners' APIs as well.
 *
 * 1. Made before the services: the control API registers with it, and waits for it.
 * 2. Known bad inputs are refused, and there is a limit for each address; who may come at all is said by networks.
 */
import { ArnFormat, Duration } from 'aws-cdk-lib';
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as waf from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { addFailoverName, admitHealthCheckers, publicName, standbyName } from './failover-name.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

export const API_PORT = 8080;
export const HEALTH_PORT = 9464;
/** Requests of one address in five minutes. */
const MOST_REQUESTS = 2_000;

/** Definitions and files are bodies: YAML and records look like attacks, and are longer than 8 KB. The API's schemas judge them. */
const COUNTED_IN_BODIES = ['SizeRestrictions_BODY', 'GenericRFI_BODY', 'GenericLFI_BODY', 'CrossSiteScripting_BODY'];

export class ApiStack extends FleetStack {
  readonly loadBalancer: elb.ApplicationLoadBalancer;
  readonly targets: elb.ApplicationTargetGroup;
  readonly certificate: Certificate;
  readonly listener: elb.ApplicationListener;
  readonly group: ec2.SecurityGroup;
  readonly firewall: waf.CfnWebACL;
  readonly #key: IKey;

  constructor(scope: Construct, fleet: Fleet, { vpc, key }: NetworkStack) {
    super(scope, 'api', fleet);
    this.#key = key;
    this.group = this.#createGroup(vpc);
    this.targets = new elb.ApplicationTargetGroup(this, 'ControlApi', {
      vpc,
      port: API_PORT,
      protocol: elb.ApplicationProtocol.HTTP,
      targetType: elb.TargetType.IP,
      deregistrationDelay: Duration.seconds(15),
      healthCheck: {
        path: '/readyz',
        port: String(HEALTH_PORT),
        interval: Duration.seconds(10),
        healthyThresholdCount: 2,
      },
    });
    this.loadBalancer = this.#createLoadBalancer(vpc);
    this.certificate = this.#createCertificate();
    this.listener = this.#listen();
    this.firewall = this.#createFirewall();
    new waf.CfnWebACLAssociation(this, 'Guard', {
      webAclArn: this.firewall.attrArn,
      resourceArn: this.loadBalancer.loadBalancerArn,
    });
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
      internetFacing: true,
      vpcSubnets: { subnetGroupName: 'public' },
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

  /** The load balancer's own account writes it, and knows no key of ours. */
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

  #createFirewall(): waf.CfnWebACL {
    const { prefix } = this.fleet;
    const visible = (metricName: string) => ({
      cloudWatchMetricsEnabled: true,
      sampledRequestsEnabled: true,
      metricName: `${prefix}-${metricName}`,
    });
    const managed = (name: string, priority: number, counted: readonly string[] = []): waf.CfnWebACL.RuleProperty => ({
      name,
      priority,
      overrideAction: { none: {} },
      statement: {
        managedRuleGroupStatement: {
          vendorName: 'AWS',
          name,
          ...(counted.length > 0 && {
            ruleActionOverrides: counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
          }),
        },
      },
      visibilityConfig: visible(name),
    });
    const firewall = new waf.CfnWebACL(this, 'Firewall', {
      name: prefix,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visible('firewall'),
      rules: [
        {
          name: 'rate',
          priority: 0,
          action: { block: { customResponse: { responseCode: 429 } } },
          statement: { rateBasedStatement: { limit: MOST_REQUESTS, aggregateKeyType: 'IP' } },
          visibilityConfig: visible('rate'),
        },
        managed('AWSManagedRulesAmazonIpReputationList', 1),
        managed('AWSManagedRulesKnownBadInputsRuleSet', 2),
        managed('AWSManagedRulesSQLiRuleSet', 3, ['SQLi_BODY']),
        managed('AWSManagedRulesCommonRuleSet', 4, COUNTED_IN_BODIES),
      ],
    });
    this.#logRefusals(firewall);
    return firewall;
  }

  /** What was let pass is in the access logs of the load balancer. */
  #logRefusals(firewall: waf.CfnWebACL): void {
    const logs = new LogGroup(this, 'FirewallLogs', {
      // WAF writes to groups of this beginning alone.
      logGroupName: `aws-waf-logs-${this.fleet.prefix}`,
      retention: this.size.logRetentionDays,
      encryptionKey: this.#key,
      removalPolicy: this.removalPolicy,
    });
    new waf.CfnLoggingConfiguration(this, 'FirewallLogging', {
      resourceArn: firewall.attrArn,
      logDestinationConfigs: [
        this.formatArn({
          service: 'logs',
          resource: 'log-group',
          resourceName: logs.logGroupName,
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        }),
      ],
      loggingFilter: {
        DefaultBehavior: 'DROP',
        Filters: [
          {
            Behavior: 'KEEP',
            Requirement: 'MEETS_ANY',
            Conditions: ['BLOCK', 'COUNT'].map((Action) => ({ ActionCondition: { Action } })),
          },
        ],
      },
      redactedFields: ['authorization', 'cookie', 'x-api-key'].map((Name) => ({ singleHeader: { Name } })),
    });
  }
}
