/** How people sign in, from the settings to the control API, through its own schema. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readConfig, variables } from '#services/control-api/config.ts';
import { type DeploySettings, readSettings } from '../settings.ts';
import { signInVariables } from './sign-in-variables.ts';

const DEPLOYED = { DATABASE_URL: 'postgres://user@database.invalid:5432/longshore', AWS_REGION: 'eu-central-1' };
const signIn: NonNullable<DeploySettings['signIn']> = {
  consoleOrigin: 'https://longshore.example',
  portalOrigin: 'https://portal.example',
  oidc: {
    issuer: 'https://login.example/realms/staff',
    clientId: 'longshore',
    clientSecret: 'oidc-client',
    scopes: 'openid groups',
    rolesClaim: 'realm_access.roles',
    roles: { admins: 'admin' },
    networks: ['10.1.0.0/16'],
  },
};

test('every variable of the provider and the origins is given, and is one that the control API reads', () => {
  const given = signInVariables({ signIn });
  const all = Object.keys(variables.shape).filter((name) => /^LONGSHORE_(?:OIDC|CONSOLE|PORTAL)_/.test(name));
  // Links are for the machine that the fleet runs on.
  expect(Object.keys(given).sort()).toEqual(all.filter((name) => name !== 'LONGSHORE_CONSOLE_LINKS').sort());
  expect(readConfig({ ...DEPLOYED, ...given })).toMatchObject({
    LONGSHORE_OIDC_ISSUER: signIn.oidc?.issuer,
    LONGSHORE_CONSOLE_ROLES: { admins: 'admin' },
    LONGSHORE_CONSOLE_LINKS: false,
  });
});

test('nothing is given where the settings name nothing, and a role that there is not is a fault', () => {
  const settings = readSettings(fileURLToPath(new URL('../settings/dev.yaml', import.meta.url)));
  expect(signInVariables(settings)).toEqual({});
  const given = signInVariables({ signIn: { ...signIn, oidc: { ...signIn.oidc!, roles: { admins: 'king' } } } });
  expect(() => readConfig({ ...DEPLOYED, ...given })).toThrow(/LONGSHORE_CONSOLE_ROLES/);
});

test.each([
  ['LONGSHORE_OIDC_CLIENT_ID', { LONGSHORE_OIDC_CLIENT_ID: '' }],
  ['LONGSHORE_CONSOLE_ORIGIN', { LONGSHORE_CONSOLE_ORIGIN: '' }],
  ['LONGSHORE_OIDC_ISSUER', { LONGSHORE_OIDC_ISSUER: 'http://login.example' }],
  ['LONGSHORE_CONSOLE_ORIGIN', { LONGSHORE_CONSOLE_ORIGIN: 'https://longshore.example/console' }],
  ['LONGSHORE_OIDC_ADDRESSES', { LONGSHORE_OIDC_ADDRESSES: 'everywhere' }],
])('%s has to be right before the service starts', (name, wrong) => {
  expect(() => readConfig({ ...DEPLOYED, ...signInVariables({ signIn }), ...wrong })).toThrow(name);
});
