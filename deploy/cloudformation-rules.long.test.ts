/** What CloudFormation itself would refuse at a deployment. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readSettings } from './settings.ts';
import { synthesise } from './synthesise-test-bed.ts';

test('the stacks of the smallest settings break none of the rules of CloudFormation', () => {
  const settings = readSettings(fileURLToPath(new URL('settings/dev.yaml', import.meta.url)));
  expect([...synthesise(settings, { isValidated: true }).keys()]).toContain('example-ls-dev-services');
}, 300_000);
