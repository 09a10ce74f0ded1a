/** What a choice in the settings changes in the stacks of production: each is its own synthesis, which takes seconds. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readSettings } from '../settings.ts';
import { type Resource, resourcesOf, synthesise } from '../synthesise-test-bed.ts';

const EAST = 'example-ls-east';
const WEST = 'example-ls-west';
const settings = readSettings(fileURLToPath(new URL('../settings/prod.yaml', import.meta.url)));
/** Seconds on a machine that does nothing else. */
const SYNTHESIS_MS = 300_000;

test(
  'buckets of others with a key of their own can be delivered to',
  () => {
    const key = 'arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000';
    const delivering = synthesise({ ...settings, externalBuckets: ['partner-bucket'], externalKeys: [key] });
    const policies = delivering.get(`${EAST}-services`)!.findResources('AWS::IAM::Policy') as Record<string, Resource>;
    const statements = Object.values(policies).flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
    const allowed = statements.filter(({ Sid }) => Sid === 'ExternalKeys');
    expect(allowed.length).toBeGreaterThanOrEqual(2);
    for (const { Resource: resource, Action } of allowed) {
      expect(resource).toBe(key);
      expect(Action).toEqual(['kms:Decrypt', 'kms:GenerateDataKey']);
    }
  },
  SYNTHESIS_MS,
);

test(
  'passwords, if a provider is set, are checked by it from a subnet that leads out',
  () => {
    const passwords = {
      url: 'https://login.example/token',
      clientId: 'sftp',
      clientSecret: 'sftp/client',
      scope: 'openid',
    };
    const withPasswords = synthesise({ ...settings, homes: settings.homes, sftp: { ...settings.sftp, passwords } });
    const of = (name: string) => withPasswords.get(`${EAST}-${name}`)!;
    of('sftp').hasResourceProperties('AWS::Transfer::Server', {
      IdentityProviderDetails: { SftpAuthenticationMethods: 'PUBLIC_KEY_OR_PASSWORD' },
    });
    const [logins] = resourcesOf(of('sftp-logins'), 'AWS::Lambda::Function');
    expect(logins?.Properties.Environment.Variables).toMatchObject({
      LONGSHORE_SECRETS_PREFIX: `${EAST}/tenants/`,
      LONGSHORE_SFTP_PASSWORD_URL: 'https://login.example/token',
      LONGSHORE_SFTP_PASSWORD_CLIENT_ID: 'sftp',
      LONGSHORE_SFTP_PASSWORD_CLIENT_SECRET_NAME: 'sftp/client',
      LONGSHORE_SFTP_PASSWORD_SCOPE: 'openid',
    });
    expect(JSON.stringify(logins?.Properties.VpcConfig.SubnetIds)).toContain('egress');
    const policies = JSON.stringify(of('sftp-logins').findResources('AWS::IAM::Policy'));
    expect(policies).toContain(`:secret:${EAST}/tenants/sftp/client-??????`);
  },
  SYNTHESIS_MS,
);

test(
  'a standby that is brought to work has services, rules, doors under its home’s names, and no second SFTP server',
  () => {
    const failedOver = synthesise({ ...settings, failedOver: 'us-east-1' });
    const prefix = `${EAST}-standby`;
    const template = (name: string) => failedOver.get(`${prefix}-${name}`)!;
    template('services').resourceCountIs('AWS::ApplicationAutoScaling::ScalingPolicy', 16);
    for (const { Properties } of resourcesOf(template('storage'), 'AWS::Events::Rule')) {
      expect(Properties.State).toBe('ENABLED');
    }
    const router = resourcesOf(template('services'), 'AWS::ECS::TaskDefinition').find(
      ({ Properties }) => Properties.Family === `${prefix}-router`,
    );
    expect(router!.Properties.ContainerDefinitions[0].Environment).toEqual(
      expect.arrayContaining([
        { Name: 'LONGSHORE_RECORDED_PREFIX', Value: EAST },
        { Name: 'LONGSHORE_PREFIX', Value: prefix },
        // It carries for the tenants of its home, wherever it runs.
        { Name: 'LONGSHORE_HOME_REGIONS', Value: 'us-east-1' },
      ]),
    );
    template('api').hasResourceProperties('AWS::CertificateManager::Certificate', {
      DomainName: `api.${EAST}.${settings.domain.zoneName}`,
    });
    const names = resourcesOf(template('api'), 'AWS::Route53::RecordSet').map(({ Properties }) => Properties.Name);
    expect(names).toEqual([`api-direct.${prefix}.${settings.domain.zoneName}`]);
    expect(failedOver.has(`${prefix}-sftp`)).toBe(false);
    const [service] = resourcesOf(failedOver.get(`${WEST}-standby-services`)!, 'AWS::ECS::Service');
    expect(service?.Properties.DesiredCount).toBe(0);
  },
  SYNTHESIS_MS,
);
