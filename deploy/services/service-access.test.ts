/**
 * Code and infrastructure say the same: what a service's sources use, its task is given, and nothing more. The sources are followed from
 * each service's `main.ts` by their imports.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { BUCKET_IDS, isFifo, QUEUE_IDS, type QueueId } from '#shared/runtime/config/resource-names.ts';
import { readSettings } from '../settings.ts';
import { type Resource, resourcesOf, synthesise } from '../synthesise-test-bed.ts';
import { REACH_VARIABLES, SERVICE_ACCESS } from './service-access.ts';
import { SERVICES } from './service-catalogue.ts';
import { PLATFORM_VARIABLES } from './service-environment.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PREFIX = 'example-ls-east';
let services: Template;

beforeAll(() => {
  const settings = readSettings(join(ROOT, 'deploy/settings/prod.yaml'));
  services = synthesise(settings).get(`${PREFIX}-services`)!;
}, 300_000);

const KNOWN_AT_DEPLOYMENT: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://user@database.invalid:5432/longshore',
  LONGSHORE_SECRETS_ROLE: 'arn:aws:iam::111122223333:role/tenant-secrets',
  LONGSHORE_TOPICS_ARN: 'arn:aws:sns:us-east-1:111122223333:',
};

/** Every source that a service loads, by its path from the root. */
function sourcesOf(service: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (path: string): void => {
    if (found.has(path) || !existsSync(join(ROOT, path))) return;
    const text = readFileSync(join(ROOT, path), 'utf8');
    found.set(path, text);
    for (const [, isType, specifier = ''] of text.matchAll(/(?:import|export)( type)?[^;]*?from '([^']+\.ts)'/g)) {
      if (isType !== undefined) continue;
      visit(specifier.startsWith('#') ? specifier.slice(1) : join(dirname(path), specifier));
    }
  };
  visit(`services/${service}/main.ts`);
  return found;
}

const STORE_USES: Record<string, readonly string[]> = {
  pull: ['read', 'write', 'list-versions', 'list-parts', 'abort-upload'],
  head: ['read'],
  readRange: ['read'],
  tags: ['read-tags'],
  readStream: ['read'],
  copy: ['read', 'write'],
  copyMultipart: ['read', 'write'],
  upload: ['write'],
  put: ['write'],
  deleteVersion: ['delete-version'],
  deleteVersions: ['delete-version'],
  restore: ['restore'],
  listVersions: ['list-versions'],
  listMultipartUploads: ['list-uploads'],
  abortMultipartUpload: ['abort-upload'],
  hasMultipartUpload: ['list-parts'],
  // Of `sent-uploads.ts`.
  begin: ['write'],
  parts: ['write'],
  complete: ['write'],
  abort: ['write'],
  presignPart: ['write'],
  presignPut: ['write'],
  presignGet: ['read'],
};

function usesOfStore(sources: Map<string, string>): string[] {
  const calls = [...sources.values()].flatMap((text) =>
    [...text.matchAll(/\b(?:store|sent)\.(\w+)\(/g)].map(([, call]) => call!),
  );
  return [...new Set(calls.flatMap((call) => STORE_USES[call] ?? []))].sort();
}

/** The queues of a service's own composition: what it takes from, and what its senders are given. */
function queuesNamedBy(sources: Map<string, string>): string[] {
  const composition = [...sources].filter(([path]) =>
    /services\/[^/]+\/service\.ts$|shared\/worker\/create-job-service\.ts$/.test(path),
  );
  const text = composition.map(([, each]) => each).join('\n');
  const named = QUEUE_IDS.filter((id) => new RegExp(`['"]${id}['"]|\\b${id}: (?:urls|queueName)`).test(text));
  return /QUEUE_IDS|resolveQueues/.test(text) ? [...QUEUE_IDS] : named;
}

function statementsOf(service: string): { sid: string; actions: string[]; resources: string[] }[] {
  const policies = Object.entries(services.findResources('AWS::IAM::Policy')) as [string, Resource][];
  const [, policy] = policies.find(([id]) => id.startsWith(`${service.replaceAll('-', '')}taskDefinitionTaskRole`))!;
  const many = <Value>(value: Value | Value[]): Value[] => (Array.isArray(value) ? value : [value]);
  return (policy.Properties.PolicyDocument.Statement as Record<string, unknown>[]).map(({ Sid, Action, Resource }) => ({
    sid: String(Sid ?? ''),
    actions: many(Action as string),
    resources: many(Resource).map((each) => JSON.stringify(each)),
  }));
}

function variablesOf(service: string): Record<string, unknown> {
  const definition = resourcesOf(services, 'AWS::ECS::TaskDefinition').find(
    ({ Properties }) => Properties.Family === `${PREFIX}-${service}`,
  );
  const container = definition!.Properties.ContainerDefinitions.find(({ Name }: { Name: string }) => Name === service);
  return Object.fromEntries(
    container.Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [Name, Value]),
  );
}

describe.each(SERVICES)('$name', ({ name, loadConfig }) => {
  const access = SERVICE_ACCESS[name];
  const sources = sourcesOf(name);
  const loads = (path: string) => sources.has(path);

  test('is given the variables that its configuration needs, and none that it does not read', () => {
    const given = variablesOf(name);
    const texts = Object.entries(given)
      .filter(([variable]) => !(variable in PLATFORM_VARIABLES))
      .map(([variable, value]): [string, string] => [
        variable,
        typeof value === 'string' ? value : KNOWN_AT_DEPLOYMENT[variable]!,
      ]);
    expect(Object.keys(PLATFORM_VARIABLES).filter((variable) => !(variable in given))).toEqual([]);
    const config = loadConfig(Object.fromEntries(texts));
    expect(texts.map(([variable]) => variable).filter((variable) => !(variable in config))).toEqual([]);
  });

  test('touches objects in the ways that its sources do', () => {
    const uses = new Set(BUCKET_IDS.flatMap((bucket) => access.objects[bucket] ?? []));
    expect([...uses].sort()).toEqual(usesOfStore(sources));
  });

  test('reaches the queues that its composition names', () => {
    const reached = access.takesDeadLetters || access.counts ? QUEUE_IDS : [...access.takes, ...access.sends];
    expect(QUEUE_IDS.filter((id) => reached.includes(id))).toEqual(queuesNamedBy(sources));
  });

  test('publishes, counts and reads secrets when its sources do, and only then', () => {
    expect({
      publishes: access.publishes,
      counts: access.counts,
      readsSecrets: access.readsSecrets,
      usesReceiptKeys: access.usesReceiptKeys,
      protectsItself: access.protectsItself,
      sendsMails: access.sendsMails,
    }).toEqual({
      publishes: loads('shared/queue/topics.ts'),
      counts: loads('shared/queue/queue-depth.ts'),
      readsSecrets: loads('shared/runtime/secrets/create-secret-store.ts'),
      usesReceiptKeys: loads('shared/receipts/receipt-keys.ts'),
      protectsItself: loads('shared/runtime/health/protect-while-busy.ts'),
      sendsMails: loads('shared/campaigns/mail-transports.ts'),
    });
  });

  test('is given the key of receipts of the settings when it signs them or publishes the keys', () => {
    const { LONGSHORE_RECEIPT_SECRET: secret } = variablesOf(name);
    expect(secret).toBe(loads('shared/receipts/receipt-keys.ts') ? 'receipts/key' : undefined);
  });

  test('is given the secret of links where it reads it, and what they begin with where it writes them', () => {
    const { LONGSHORE_LINK_SECRET: secret, LONGSHORE_PUBLIC_URL: url } = variablesOf(name);
    const text = [...sources.values()].join('\n');
    expect(secret).toBe(loads('shared/reviews/link-variables.ts') ? 'links/key' : undefined);
    expect(url).toBe(
      /LONGSHORE_PUBLIC_URL: (?:z\b|publicUrlVariable)/.test(text) ? 'https://longshore.example.com' : undefined,
    );
  });

  test('reads the fleet’s secrets that it is given, and those of a tenant as that tenant alone', () => {
    const statements = statementsOf(name);
    const secrets = statements.filter(({ actions }) => actions.some((action) => action.startsWith('secretsmanager:')));
    const names = secrets.flatMap(({ resources }) => resources.map((arn) => /tenants\/([^"]+)-\?{6}"/.exec(arn)?.[1]));
    const given = Object.entries(variablesOf(name)).flatMap(([variable, value]) =>
      /_(?:SECRET|SECRET_NAME|BOT_TOKEN)$/.test(variable) ? [value] : [],
    );
    const teams = String(variablesOf(name).LONGSHORE_TEAMS_WEBHOOKS ?? '').match(/[^,=]+(?==)/g) ?? [];
    expect(names.sort()).toEqual([...given, ...teams.map((each) => `chat/teams-${each}`)].sort());
    expect(statements.some(({ sid }) => sid === 'TenantSecrets')).toBe(access.readsSecrets);
    expect('LONGSHORE_SECRETS_ROLE' in variablesOf(name)).toBe(access.readsSecrets);
    expect('LONGSHORE_TOPICS_ARN' in variablesOf(name)).toBe(access.publishes);
  });

  test('reaches beyond AWS what its sources call, and only that', () => {
    const text = [...sources.values()].join('\n');
    const called = Object.entries(REACH_VARIABLES).flatMap(([kind, variable]) =>
      text.includes(`createAddressGuard({ allow: config.${variable}`) ? [kind] : [],
    );
    const mails = loads('shared/notices/send-mail.ts') ? ['mail'] : [];
    const scanners = loads('shared/content/scan/clamd-client.ts') ? ['scanner'] : [];
    expect([...access.reaches].sort()).toEqual([...called, ...mails, ...scanners].sort());
  });

  test('has a role that names its own resources and no wildcard of actions', () => {
    const statements = statementsOf(name);
    expect(statements.flatMap(({ actions }) => actions).filter((action) => action.includes('*'))).toEqual([]);
    // `ses:GetAccount` has no resource.
    const bounded = statements.filter(({ sid }) => sid !== 'MailAccount').flatMap(({ resources }) => resources);
    expect(bounded.filter((resource) => resource === '"*"')).toEqual([]);
    const queues = (sid: string) =>
      statements
        .filter((statement) => statement.sid === sid)
        .flatMap(({ resources }) => resources.map((arn) => /:([a-z-]+(?:\.fifo)?)"/.exec(arn)?.[1]));
    const named = (id: QueueId, isDead: boolean) =>
      `${PREFIX}-${id}${isDead ? '-dlq' : ''}${isFifo(id) ? '.fifo' : ''}`;
    expect(queues('Take')).toEqual([
      ...access.takes.map((id) => named(id, false)),
      ...(access.takesDeadLetters ? QUEUE_IDS.map((id) => named(id, true)) : []),
    ]);
    expect(queues('Send')).toEqual(access.sends.map((id) => named(id, false)));
    const buckets = statements.flatMap(({ resources }) =>
      resources.flatMap((arn) => /s3:::([a-z-]+)/.exec(arn)?.[1] ?? []),
    );
    expect([...new Set(buckets)].sort()).toEqual(
      Object.keys(access.objects)
        .map((bucket) => `${PREFIX}-${bucket}`)
        .sort(),
    );
  });
});

test('a session that reads secrets of tenants is tagged with the one whose they are, and is given to readers alone', () => {
  const roles = Object.entries(services.findResources('AWS::IAM::Role')) as [string, Resource][];
  const [id, role] = roles.find(([each]) => each.startsWith('TenantSecrets'))!;
  const [trust, ...others] = role.Properties.AssumeRolePolicyDocument.Statement;
  expect(others).toEqual([]);
  expect(trust.Action).toEqual(['sts:AssumeRole', 'sts:TagSession']);
  const readers = SERVICES.filter(({ name }) => SERVICE_ACCESS[name].readsSecrets);
  expect(trust.Condition.ArnEquals['aws:PrincipalArn']).toHaveLength(readers.length);
  expect(trust.Condition).toMatchObject({
    StringLike: { 'aws:RequestTag/longshore-tenant': '?*' },
    StringNotEquals: { 'aws:RequestTag/longshore-tenant': expect.arrayContaining(['receipts', 'links', 'chat']) },
    'ForAllValues:StringEquals': { 'aws:TagKeys': ['longshore-tenant'] },
  });
  const policies = resourcesOf(services, 'AWS::IAM::Policy').filter(({ Properties }) =>
    Properties.Roles.some(({ Ref }: { Ref: string }) => Ref === id),
  );
  expect(policies).toHaveLength(1);
  const [statement, ...more] = policies[0]!.Properties.PolicyDocument.Statement;
  expect(more).toEqual([]);
  expect(statement.Action).toBe('secretsmanager:GetSecretValue');
  expect(JSON.stringify(statement.Resource)).toContain(
    `:secret:${PREFIX}/tenants/\${aws:PrincipalTag/longshore-tenant}/*"`,
  );
});

test('every queue is taken from, and every one that is sent to is taken from by somebody', () => {
  const all = Object.values(SERVICE_ACCESS);
  expect(QUEUE_IDS.filter((id) => !all.some(({ takes }) => takes.includes(id)))).toEqual([]);
  expect(all.some(({ takesDeadLetters }) => takesDeadLetters)).toBe(true);
});

test('the control API may read whatever it gives people a URL to read', () => {
  const ways = BUCKET_IDS.filter((bucket) => bucket !== 'evidence').map((bucket) => [
    bucket,
    SERVICE_ACCESS['control-api'].objects[bucket]?.includes('read'),
  ]);
  expect(ways).toEqual(ways.map(([bucket]) => [bucket, true]));
});
