/** What `docker build` is told for a deployment, as the manifest of the assets has it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '../settings.ts';
import { buildImages } from './build-images.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'longshore-images-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The dev settings with these images, from its own file. */
function settingsWith(images: string) {
  const path = join(directory, 'settings.yaml');
  const dev = readFileSync(new URL('../settings/dev.yaml', import.meta.url), 'utf8');
  writeFileSync(path, `${dev}\n${images}`);
  return readSettings(path);
}

function buildsOf(images: string): Record<string, unknown>[] {
  const outdir = mkdtempSync(join(directory, 'out-'));
  const app = new App({
    outdir,
    builtinCloudFormationValidation: false,
    context: { 'aws:cdk:disable-asset-staging': true },
  });
  buildImages(new Stack(app, 'images'), settingsWith(images));
  app.synth();
  const manifest = JSON.parse(readFileSync(join(outdir, 'images.assets.json'), 'utf8'));
  return Object.values<{ source: Record<string, unknown> }>(manifest.dockerImages).map(({ source }) => source);
}

test('images are built for Graviton from public bases, without secrets, unless the settings name others', () => {
  expect(buildsOf('')).toEqual([
    expect.objectContaining({
      dockerFile: 'deploy/Dockerfile',
      platform: 'linux/arm64',
      dockerBuildArgs: { NODE_IMAGE: 'public.ecr.aws/docker/library/node:24-bookworm-slim' },
    }),
    expect.objectContaining({
      dockerFile: 'deploy/collector.Dockerfile',
      platform: 'linux/arm64',
      dockerBuildArgs: { COLLECTOR_IMAGE: expect.stringContaining('aws-otel-collector') },
    }),
  ]);
  expect(buildsOf('').some((build) => 'dockerBuildSecrets' in build)).toBe(false);
});

test('images are built for the other processor when the settings say so', () => {
  expect(buildsOf('architecture: amd64').map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/amd64']);
});

test('without a public registry bases, authorities and the npm registry come from the settings', () => {
  const [fleet, collector] = buildsOf(
    [
      'images:',
      '  node: registry.example/node:24',
      '  rdsCaBundle: deploy/certificates/global-bundle.pem',
      '  npmrc: private/npmrc',
    ].join('\n'),
  );
  expect(fleet).toMatchObject({
    dockerBuildArgs: {
      NODE_IMAGE: 'registry.example/node:24',
      RDS_CA_BUNDLE: 'deploy/certificates/global-bundle.pem',
    },
    // From where the settings stand.
    dockerBuildSecrets: { npmrc: `src=${join(directory, 'private/npmrc')}` },
  });
  expect(collector).not.toHaveProperty('dockerBuildSecrets');
});

test.each(['certificates/bundle.pem', '/etc/ssl/bundle.pem', 'http://bundles.example/rds.pem'])(
  'authorities that the build cannot or should not reach are refused: %s',
  (rdsCaBundle) => {
    expect(() => settingsWith(`images: { rdsCaBundle: "${rdsCaBundle}" }`)).toThrow(/images\.rdsCaBundle/);
  },
);
