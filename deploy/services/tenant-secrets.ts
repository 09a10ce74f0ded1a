/**
 * The role by which services read the secrets of tenants: a session has the tenant's id as a tag, and reads what is in the folder of that
 * name alone.
 *
 * 1. A task's own role reads no secret of a tenant: where the code mixes up two tenants, IAM refuses.
 * 2. A session without the tag, with another one, or for a folder of the fleet's own is not given.
 * 3. CloudTrail has the tenant of each session, and so of each read.
 */
import { Lazy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { OWN_SECRET_FOLDERS, TENANT_TAG } from '#shared/runtime/config/secret-names.ts';
import { allowWithWildcards } from '../stacks/acknowledge.ts';
import type { FleetStack } from '../stacks/fleet-stack.ts';

export class TenantSecrets extends Construct {
  readonly role: iam.Role;
  readonly #readers: iam.IRole[] = [];

  constructor(stack: FleetStack) {
    super(stack, 'TenantSecrets');
    const tag = `aws:RequestTag/${TENANT_TAG}`;
    this.role = new iam.Role(this, 'Role', {
      description: 'Reads the secrets of the tenant that its session is tagged with',
      // The account may, as far as the policies of its tasks say so; the condition leaves these tasks.
      assumedBy: new iam.PrincipalWithConditions(new iam.AccountRootPrincipal(), {
        ArnEquals: { 'aws:PrincipalArn': Lazy.list({ produce: () => this.#readers.map(({ roleArn }) => roleArn) }) },
        StringLike: { [tag]: '?*' },
        StringNotEquals: { [tag]: OWN_SECRET_FOLDERS },
        'ForAllValues:StringEquals': { 'aws:TagKeys': [TENANT_TAG] },
      }).withSessionTags(),
    });
    const ofTenant = `secret:${stack.fleet.home.prefix}/tenants/\${aws:PrincipalTag/${TENANT_TAG}}/*`;
    allowWithWildcards(
      this.role,
      [
        new iam.PolicyStatement({
          sid: 'SecretsOfTheTenant',
          actions: ['secretsmanager:GetSecretValue'],
          resources: [stack.formatArn({ service: 'secretsmanager', resource: ofTenant })],
        }),
      ],
      'All secrets of the one tenant that the session is tagged with.',
    );
  }

  admit(reader: iam.IRole): void {
    this.#readers.push(reader);
  }
}
