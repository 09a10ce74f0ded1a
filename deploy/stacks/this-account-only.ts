/**
 * Services of AWS act on this account's behalf alone: nobody has them use a role or write to a bucket of the fleet from another account.
 *
 * 1. A role that a service of `NAMES_ITS_ACCOUNT` takes asks for the account. Others do not name it when they take a role, or AWS does not
 *    say so: a role can be passed to them in its own account only.
 * 2. A bucket refuses a service that names another account. One that names none is judged by what else the policy says, as without this.
 */
import { type IAspect, Stack } from 'aws-cdk-lib';
import { AnyPrincipal, CfnRole, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import type { IConstruct } from 'constructs';

/** Amazon ECS, "Task IAM role"; Amazon VPC, "IAM role for publishing flow logs"; AWS Config, "Permissions for the IAM role". */
const NAMES_ITS_ACCOUNT = new Set(['ecs-tasks.amazonaws.com', 'vpc-flow-logs.amazonaws.com', 'config.amazonaws.com']);

interface Trust {
  readonly Statement: readonly { readonly Principal: { readonly Service?: unknown }; readonly Condition?: object }[];
}

export class ThisAccountOnly implements IAspect {
  visit(node: IConstruct): void {
    if (node instanceof CfnRole) askForAccount(node);
    if (node instanceof Bucket) refuseOthers(node);
  }
}

function askForAccount(role: CfnRole): void {
  const { Statement } = Stack.of(role).resolve(role.assumeRolePolicyDocument) as Trust;
  for (const [index, { Principal, Condition }] of Statement.entries()) {
    if (Condition !== undefined || !NAMES_ITS_ACCOUNT.has(String(Principal.Service))) continue;
    const path = `AssumeRolePolicyDocument.Statement.${index}.Condition.StringEquals`;
    role.addPropertyOverride(path, { 'aws:SourceAccount': Stack.of(role).account });
  }
}

/** AWS, "Data perimeter policy examples": protection of resources from confused deputies. */
function refuseOthers(bucket: Bucket): void {
  bucket.addToResourcePolicy(
    new PolicyStatement({
      sid: 'ServicesOfThisAccountOnly',
      effect: Effect.DENY,
      principals: [new AnyPrincipal()],
      actions: ['s3:*'],
      resources: [bucket.bucketArn, bucket.arnForObjects('*')],
      conditions: {
        StringNotEquals: { 'aws:SourceAccount': Stack.of(bucket).account },
        Null: { 'aws:SourceAccount': 'false' },
        Bool: { 'aws:PrincipalIsAWSService': 'true' },
      },
    }),
  );
}
