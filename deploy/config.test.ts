import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readOutputFolder, readSettingsPath } from './config.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

test('cdk says which settings file it was given, among what else is in its context', () => {
  const CDK_CONTEXT_JSON = JSON.stringify({ settings: 'my.yaml', 'aws:cdk:enable-asset-metadata': true });
  expect(readSettingsPath({ CDK_CONTEXT_JSON })).toBe('my.yaml');
  expect(readSettingsPath({})).toBeUndefined();
  expect(() => readSettingsPath({ CDK_CONTEXT_JSON: '{"settings":""}' })).toThrow();
  expect(readOutputFolder({ CDK_OUTDIR: '/out' })).toBe('/out');
});

test('cdk.json runs the app, which names no settings of its own', () => {
  const { app } = JSON.parse(readFileSync(`${ROOT}cdk.json`, 'utf8')) as { app: string };
  const [node, path, ...rest] = app.split(' ');
  expect([node, rest]).toEqual(['node', []]);
  expect(existsSync(`${ROOT}${path}`)).toBe(true);
});
