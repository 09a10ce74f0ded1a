/**
 * `npm run synth`: the templates of the sample settings, and then those that nobody looks at before the day they are needed: of a
 * failover of either region, and of the longest prefix. Every finding of cdk-nag and every fault of a template is an error.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildApp } from './build-app.ts';
import { type DeploySettings, readSettings } from './settings.ts';
import { LONGEST_PREFIX } from './settings-shape.ts';

const pathOf = (name: string) => fileURLToPath(new URL(`settings/${name}.yaml`, import.meta.url));
const OUTPUT = fileURLToPath(new URL('../cdk.out', import.meta.url));

const production = readSettings(pathOf('prod'));
report('dev', readSettings(pathOf('dev')), OUTPUT);
report('prod', production, OUTPUT);
for (const { region } of production.homes) {
  const homes = production.homes.map((home) =>
    home.region === region ? { ...home, prefix: 'a'.repeat(LONGEST_PREFIX) } : home,
  );
  const outdir = mkdtempSync(join(tmpdir(), 'longshore-synth-'));
  try {
    report(`prod, ${region} failed, the longest prefix`, { ...production, homes, failedOver: region }, outdir);
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

function report(name: string, settings: DeploySettings, outdir: string): void {
  const { stacks } = buildApp(settings, { outdir }).synth();
  process.stdout.write(`${stacks.length} stacks of ${name}\n`);
}
