/**
 * Partners' APIs behind API Gateway, each call judged by the authorizer.
 *
 * 1. The authorizer's bundle is made from the service's source while the stacks are made, so that it is the code that was tested.
 * 2. Methods and paths are those of the authorizer's own rules: what no rule allows is not there.
 */
import { CfnOutput, Duration } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager';
import { NetworkLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import * as waf from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import { loadAuthorizerConfig } from '#services/authorizer/config.ts';
import { bundleFunction } from '../services/bundle-function.ts';
import type { DeploySettings } from '../settings.ts';
import { acknowledge } from './acknowledge.ts';
import type { ApiStack } from './api-stack.ts';
import { addFailoverName, publicName, standbyName } from './failover-name.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';

type PartnerApis = NonNullable<DeploySettings['partnerApis']>;

/** What docs/operations/alerts/aws.md reads: whose fault an answer was. Never a header: tokens are there. */
const { AccessLogField: LOGGED } = apigateway;
const ACCESS_LOG = apigateway.AccessLogFormat.custom(
  JSON.stringify({
    requestId: LOGGED.contextRequestId(),
    time: LOGGED.contextRequestTime(),
    ip: LOGGED.contextIdentitySourceIp(),
    method: LOGGED.contextHttpMethod(),
    path: LOGGED.contextPath(),
    status: LOGGED.contextStatus(),
    subject: LOGGED.contextAuthorizer('subject'),
    authorizerStatus: LOGGED.contextAuthorizerStatus(),
    integrationStatus: LOGGED.contextIntegrationStatus(),
    integrationLatencyMs: LOGGED.contextIntegrationLatency(),
    latencyMs: LOGGED.contextResponseLatency(),
    error: LOGGED.contextErrorMessage(),
  }),
);

export class PartnerApisStack extends FleetStack {
  readonly gateway: apigateway.RestApi;
  readonly authorizer: lambda.Function;
  readonly certificate: Certificate;
  readonly #network: NetworkStack;

  constructor(scope: Construct, fleet: Fleet, parts: { network: NetworkStack; api: ApiStack; settings: PartnerApis }) {
    super(scope, 'partner-apis', fleet);
    this.#network = parts.network;
    this.authorizer = this.#createAuthorizer(parts.settings);
    this.certificate = this.#createCertificate();
    this.gateway = this.#createGateway(parts.settings, this.authorizer);
    new waf.CfnWebACLAssociation(this, 'Guard', {
      webAclArn: parts.api.firewall.attrArn,
      resourceArn: this.gateway.deploymentStage.stageArn,
    });
    addFailoverName(this, {
      service: 'partners',
      port: 443,
      endpoint: this.gateway.domainName?.domainNameAliasDomainName ?? '',
      standby: standbyName(fleet, 'partners'),
    });
  }

  #createAuthorizer(settings: PartnerApis): lambda.Function {
    const environment = {
      LONGSHORE_AUTHORIZER_ISSUER: settings.issuer,
      LONGSHORE_AUTHORIZER_AUDIENCE: settings.audience,
      LONGSHORE_AUTHORIZER_JWKS_URL: settings.jwksUrl,
      LONGSHORE_AUTHORIZER_RULES: JSON.stringify(settings.rules),
    };
    loadAuthorizerConfig(environment);
    const logGroup = this.#createLogs('AuthorizerLogs', 'authorizer');
    const role = new iam.Role(this, 'AuthorizerRole', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    logGroup.grantWrite(role);
    return new lambda.Function(this, 'Authorizer', {
      description: 'Says what a token may do, before partners’ APIs',
      code: lambda.Code.fromAsset(bundleFunction('authorizer')),
      handler: 'lambda.handler',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: this.functionArchitecture,
      memorySize: 256,
      timeout: Duration.seconds(10),
      environment,
      role,
      logGroup,
    });
  }

  #createCertificate(): Certificate {
    const { domain } = this.fleet.settings;
    const zone = HostedZone.fromHostedZoneAttributes(this, 'Zone', {
      hostedZoneId: domain.zoneId,
      zoneName: domain.zoneName,
    });
    return new Certificate(this, 'PartnersCertificate', {
      domainName: publicName(this.fleet, 'partners'),
      validation: CertificateValidation.fromDns(zone),
    });
  }

  #createLogs(id: string, name: string): LogGroup {
    return new LogGroup(this, id, {
      logGroupName: `/longshore/${this.fleet.prefix}/${name}`,
      retention: this.size.logRetentionDays,
      encryptionKey: this.#network.key,
      removalPolicy: this.removalPolicy,
    });
  }

  /** The backend accepts nobody else: only then is `x-longshore-subject` who it says. */
  #certifyCaller(): string {
    const certificate = new apigateway.CfnClientCertificate(this, 'CallerCertificate', {
      description: `The gateway ${this.fleet.prefix}-partners, to its backend`,
    });
    new CfnOutput(this, 'CallerCertificateId', { value: certificate.attrClientCertificateId });
    return certificate.attrClientCertificateId;
  }

  /** To a backend without a public address. */
  #link(loadBalancerArn: string | undefined): apigateway.VpcLink | undefined {
    if (loadBalancerArn === undefined) return undefined;
    const balancer = NetworkLoadBalancer.fromNetworkLoadBalancerAttributes(this, 'Backend', { loadBalancerArn });
    return new apigateway.VpcLink(this, 'Link', { vpcLinkName: `${this.fleet.prefix}-partners`, targets: [balancer] });
  }

  #createGateway({ backendUrl, rules, loadBalancers }: PartnerApis, handler: lambda.Function): apigateway.RestApi {
    const link = this.#link(loadBalancers?.[this.region]);
    const gateway = new apigateway.RestApi(this, 'PartnerApis', {
      restApiName: `${this.fleet.prefix}-partners`,
      endpointTypes: [apigateway.EndpointType.REGIONAL],
      disableExecuteApiEndpoint: true,
      // One role for the whole account, which is not this stack's to set: docs/guides/aws.md says how.
      cloudWatchRole: false,
      domainName: {
        domainName: publicName(this.fleet, 'partners'),
        certificate: this.certificate,
        securityPolicy: apigateway.SecurityPolicy.TLS_1_2,
      },
      deployOptions: {
        stageName: 'live',
        accessLogDestination: new apigateway.LogGroupLogDestination(this.#createLogs('GatewayLogs', 'partner-apis')),
        accessLogFormat: ACCESS_LOG,
        loggingLevel: apigateway.MethodLoggingLevel.ERROR,
        metricsEnabled: true,
        tracingEnabled: true,
        throttlingRateLimit: 500,
        throttlingBurstLimit: 1_000,
        clientCertificateId: this.#certifyCaller(),
      },
      deploy: true,
    });
    const authorizer = new apigateway.TokenAuthorizer(this, 'TokenAuthorizer', {
      handler,
      // A policy covers all that its token may do; a token lives on for at most this long.
      resultsCacheTtl: Duration.minutes(1),
    });
    const validator = gateway.addRequestValidator('Requests', {
      validateRequestParameters: true,
      validateRequestBody: true,
    });
    for (const { method, path } of rules) {
      const isPrefix = path.endsWith('/*');
      const resource = gateway.root.resourceForPath(isPrefix ? path.replace(/\*$/, '{proxy+}') : path);
      const integration = new apigateway.HttpIntegration(
        backendUrl + (isPrefix ? path.replace(/\*$/, '{proxy}') : path),
        {
          httpMethod: method === '*' ? 'ANY' : method,
          proxy: true,
          options: {
            timeout: Duration.seconds(29),
            ...(link !== undefined && { connectionType: apigateway.ConnectionType.VPC_LINK, vpcLink: link }),
            requestParameters: {
              'integration.request.header.x-longshore-subject': 'context.authorizer.subject',
              ...(isPrefix && { 'integration.request.path.proxy': 'method.request.path.proxy' }),
            },
          },
        },
      );
      const added = resource.addMethod(method === '*' ? 'ANY' : method, integration, {
        authorizer,
        authorizationType: apigateway.AuthorizationType.CUSTOM,
        requestValidator: validator,
        ...(isPrefix && { requestParameters: { 'method.request.path.proxy': true } }),
      });
      acknowledge(added, {
        COG4: 'Tokens are judged by the authorizer: the issuer is the customer’s own, and no user pool.',
      });
    }
    return gateway;
  }
}
