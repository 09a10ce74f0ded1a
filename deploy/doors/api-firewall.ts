/** The firewall before the control API and partners' APIs: known bad inputs are refused, and there is a limit for each address. */
import { ArnFormat } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import * as waf from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import type { FleetStack } from '../stacks/fleet-stack.ts';

/** Requests of one address in five minutes. */
const MOST_REQUESTS = 2_000;

/** Definitions and files are bodies: YAML and records look like attacks, and are longer than 8 KB. The API's schemas judge them. */
const COUNTED_IN_BODIES = ['SizeRestrictions_BODY', 'GenericRFI_BODY', 'GenericLFI_BODY', 'CrossSiteScripting_BODY'];

export class ApiFirewall extends Construct {
  readonly acl: waf.CfnWebACL;

  constructor(stack: FleetStack, key: IKey) {
    super(stack, 'Firewall');
    this.acl = this.#createAcl(stack);
    this.#logRefusals(stack, key);
  }

  #createAcl(stack: FleetStack): waf.CfnWebACL {
    const { prefix } = stack.fleet;
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
    return new waf.CfnWebACL(this, 'Acl', {
      name: prefix,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      // Metrics name it so: the alarm of refused requests reads them by this.
      visibilityConfig: { ...visible('firewall'), metricName: prefix },
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
  }

  /** What was let pass is in the access logs of the load balancer. */
  #logRefusals(stack: FleetStack, key: IKey): void {
    const logs = new LogGroup(this, 'Logs', {
      // WAF writes to groups of this beginning alone.
      logGroupName: `aws-waf-logs-${stack.fleet.prefix}`,
      retention: stack.size.logRetentionDays,
      encryptionKey: key,
      removalPolicy: stack.removalPolicy,
    });
    new waf.CfnLoggingConfiguration(this, 'Logging', {
      resourceArn: this.acl.attrArn,
      logDestinationConfigs: [
        stack.formatArn({
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
