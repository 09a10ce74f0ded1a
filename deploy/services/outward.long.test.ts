/** What leaves the network, by the settings: nothing but HTTPS until they name it. */
import { fileURLToPath } from 'node:url';
import type { Template } from 'aws-cdk-lib/assertions';
import { beforeAll, expect, test } from 'vitest';
import { readSettings } from '../settings.ts';
import { resourcesOf, synthesise } from '../synthesise-test-bed.ts';
import { outwardRules, outwardVariables } from './outward.ts';
import { SERVICE_ACCESS } from './service-access.ts';
import { SERVICES } from './service-catalogue.ts';

const PREFIX = 'example-ls-dev';
const settings = readSettings(fileURLToPath(new URL('../settings/dev.yaml', import.meta.url)));
let plain: Template;
let open: Template;

beforeAll(() => {
  plain = synthesise(settings).get(`${PREFIX}-services`)!;
  open = synthesise({
    ...settings,
    reach: {
      partners: { networks: ['10.60.0.0/16'], ports: [443, 8443] },
      stores: { networks: ['10.61.0.0/16', '10.62.0.0/16'], ports: [9000] },
      notices: { networks: ['10.63.0.0/24'], ports: [443] },
    },
    mail: {
      host: 'smtp.example.com',
      port: 465,
      tls: 'implicit',
      from: 'Longshore <longshore@example.com>',
      user: 'longshore',
      passwordSecret: 'smtp-password',
      networks: ['0.0.0.0/0'],
    },
    traces: { endpoint: 'https://traces.example', share: 1, headersSecret: 'observability/otlp-headers' },
  }).get(`${PREFIX}-services`)!;
}, 300_000);

/** Network and port of every way out of a service's own group. */
function waysOut(template: Template, service: string): string[] {
  const group = resourcesOf(template, 'AWS::EC2::SecurityGroup').find(
    ({ Properties }) => Properties.GroupDescription === `Tasks of ${service}`,
  );
  return group!.Properties.SecurityGroupEgress.map(
    ({ CidrIp, FromPort, ToPort }: Record<string, unknown>) => `${CidrIp} ${FromPort}-${ToPort}`,
  );
}

function containerOf(template: Template, service: string) {
  const definition = resourcesOf(template, 'AWS::ECS::TaskDefinition').find(
    ({ Properties }) => Properties.Family === `${PREFIX}-${service}`,
  );
  return definition!.Properties.ContainerDefinitions.find(({ Name }: { Name: string }) => Name === service);
}

function variablesOf(template: Template, service: string): Record<string, unknown> {
  const given: { Name: string; Value: unknown }[] = containerOf(template, service).Environment;
  return Object.fromEntries(
    given.filter(({ Name }) => /_ADDRESSES$|_SMTP_/.test(Name)).map(({ Name, Value }) => [Name, Value]),
  );
}

test.each(SERVICES)('$name goes out by HTTPS alone where the settings name nothing', ({ name }) => {
  expect(waysOut(plain, name)).toEqual(['0.0.0.0/0 443-443']);
  expect(variablesOf(plain, name)).toEqual({});
  expect(containerOf(plain, name).Secrets).toBeUndefined();
});

const HTTPS = '0.0.0.0/0 443-443';
const STORES = ['10.61.0.0/16 9000-9000', '10.62.0.0/16 9000-9000'];
const STORE_ADDRESSES = { LONGSHORE_STORE_ADDRESSES: '10.61.0.0/16,10.62.0.0/16' };

const MAIL = {
  LONGSHORE_SMTP_HOST: 'smtp.example.com',
  LONGSHORE_SMTP_PORT: '465',
  LONGSHORE_SMTP_TLS: 'implicit',
  LONGSHORE_SMTP_FROM: 'Longshore <longshore@example.com>',
  LONGSHORE_SMTP_USER: 'longshore',
  LONGSHORE_SMTP_PASSWORD_SECRET: 'smtp-password',
};

test.each([
  ['ingestor', [HTTPS], {}],
  ['router', [HTTPS], {}],
  [
    'large-file-worker',
    [HTTPS, '10.60.0.0/16 8443-8443', ...STORES, '0.0.0.0/0 465-465'],
    { ...STORE_ADDRESSES, LONGSHORE_PARTNER_ADDRESSES: '10.60.0.0/16', ...MAIL },
  ],
  [
    'partner-worker',
    [HTTPS, '10.60.0.0/16 8443-8443', ...STORES, '0.0.0.0/0 465-465'],
    { ...STORE_ADDRESSES, LONGSHORE_PARTNER_ADDRESSES: '10.60.0.0/16', ...MAIL },
  ],
  [
    'retry-sweeper',
    [HTTPS, ...STORES, '0.0.0.0/0 465-465'],
    {
      ...STORE_ADDRESSES,
      LONGSHORE_NOTICE_ADDRESSES: '10.63.0.0/24',
      ...MAIL,
    },
  ],
  [
    'control-api',
    // Test calls of partners.
    [HTTPS, '10.60.0.0/16 8443-8443', '0.0.0.0/0 465-465'],
    { LONGSHORE_PARTNER_ADDRESSES: '10.60.0.0/16', ...MAIL },
  ],
])('%s reaches what it calls of what the settings name', (name, ways, variables) => {
  expect(waysOut(open, name).sort()).toEqual([...ways].sort());
  expect(variablesOf(open, name)).toEqual(variables);
});

test('headers of traces come from their secret, which only who starts the tasks may read', () => {
  for (const { name } of SERVICES) {
    const [secret, ...others] = containerOf(open, name).Secrets;
    expect(others).toEqual([]);
    expect(secret.Name).toBe('OTEL_EXPORTER_OTLP_HEADERS');
    expect(JSON.stringify(secret.ValueFrom)).toContain(':secret:observability/otlp-headers');
  }
  const readers = Object.entries(open.findResources('AWS::IAM::Policy')).filter(([, policy]) =>
    JSON.stringify(policy).includes('observability/otlp-headers'),
  );
  expect(readers).toHaveLength(SERVICES.length);
  for (const [id] of readers) expect(id).toMatch(/taskExecution/);
});

test('a mail server without a sender, or a password in the clear, fails the synthesis', () => {
  const mail = { host: 'smtp.example.com', port: 25, tls: 'none' as const, from: 'x', networks: ['0.0.0.0/0'] };
  expect(() => synthesise({ ...settings, mail })).toThrow(/LONGSHORE_SMTP_FROM/);
  const inClear = { ...mail, from: 'longshore@example.com', user: 'longshore', passwordSecret: 'smtp-password' };
  expect(() => synthesise({ ...settings, mail: inClear })).toThrow(/LONGSHORE_SMTP_TLS/);
});

test('the workers, and nobody else, reach the scanner of the settings', () => {
  const scanning = { ...settings, scanner: { host: 'clamd.internal', port: 3310, networks: ['10.64.0.0/24'] } };
  const reaching = SERVICES.filter(({ name }) => {
    const variables = outwardVariables(scanning, SERVICE_ACCESS[name]);
    const rules = outwardRules(scanning, SERVICE_ACCESS[name]);
    const isReached = rules.some(({ network, port }) => network === '10.64.0.0/24' && port === 3310);
    expect(variables.LONGSHORE_CLAMD).toBe(isReached ? 'clamd.internal:3310' : undefined);
    return isReached;
  });
  expect(reaching.map(({ name }) => name).sort()).toEqual(['large-file-worker', 'partner-worker']);
});
