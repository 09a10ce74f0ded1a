import { expect, test } from 'vitest';
import { readConfig } from '#services/control-api/config.ts';
import { SHOWN } from '#services/control-api/settings/list-settings.ts';
import { ruleVariables } from './rule-variables.ts';

const DEPLOYED = { DATABASE_URL: 'postgres://user@database.invalid:5432/longshore', AWS_REGION: 'eu-central-1' };

test('every rule of approvals and reasons is given, and the control API reads it', () => {
  const given = ruleVariables({ rules: { approvalOver: 1_000, reasonPattern: 'INC-\\d+' } });
  expect(Object.keys(given).sort()).toEqual([...SHOWN['approvals and reasons']].sort());
  const config = readConfig({ ...DEPLOYED, ...given });
  expect(config.LONGSHORE_ACTION_APPROVAL_OVER).toBe(1_000);
  expect(config.LONGSHORE_REASON_PATTERN?.allows('INC-4711 is back')).toBe(true);
  expect(config.LONGSHORE_REASON_PATTERN?.allows('is back')).toBe(false);
});

test('nothing is given where the settings name none', () => {
  expect(ruleVariables({ rules: undefined })).toEqual({});
});
