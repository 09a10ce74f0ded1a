/** Findings of cdk-nag that are borne, each with its reason, on the narrowest construct that it names. */
import { Stack, Validations } from 'aws-cdk-lib';
import type { IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

const PLUGIN = 'AwsSolutions::AwsSolutions-';

export function acknowledge(construct: IConstruct, findings: Readonly<Record<string, string>>): void {
  for (const [rule, reason] of Object.entries(findings)) {
    Validations.of(construct).acknowledge({ id: PLUGIN + rule, reason });
  }
}

/** Adds the statements, and bears just the wildcards that are in them: one that comes by another way is a finding. */
export function allowWithWildcards(role: IRole, statements: readonly PolicyStatement[], reason: string): void {
  for (const statement of statements) {
    role.addToPrincipalPolicy(statement);
    acknowledgeWildcards(role, statement, reason);
  }
}

export function acknowledgeWildcards(construct: IConstruct, statement: PolicyStatement, reason: string): void {
  const resources = statement.resources.map(
    (resource) => `Resource::${describe(Stack.of(construct).resolve(resource))}`,
  );
  const actions = statement.actions.map((action) => `Action::${action}`);
  for (const finding of [...resources, ...actions]) {
    if (finding.includes('*')) acknowledge(construct, { [`IAM5[${finding}]`]: reason });
  }
}

/** As cdk-nag writes what is known only at the deployment, or by IAM: `<Server.Arn>/*`, `<aws:PrincipalTag/team>/*`. */
function describe(value: unknown): string {
  if (typeof value === 'string') return value.replaceAll(/\$\{([^}]+)\}/g, '<$1>');
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join } = value as Record<string, unknown>;
  if (typeof Ref === 'string') return `<${Ref}>`;
  if (Array.isArray(attribute)) return `<${attribute.join('.')}>`;
  if (Array.isArray(join)) return (join[1] as unknown[]).map(describe).join(join[0] as string);
  return '';
}
