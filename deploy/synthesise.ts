/**
 * `npm run synth`: the templates of the sample settings, and then those that nobody looks at before the day they are needed: of a
 * failover of either region and its way back, of the longest prefix, of the most domains, and of private doors, of a pair and of one home. Every finding of cdk-nag and every fault of a template is an error.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildApp } from './build-app.ts';
import { type DeploySettings, readSettings } from './settings.ts';
import { LONGEST_PREFIX, MOST_DOMAINS } from './settings-shape.ts';

const pathOf = (name: string) => fileURLToPath(new URL(`settings/${name}.yaml`, import.meta.url));
const OUTPUT = fileURLToPath(new URL('../cdk.out', import.meta.url));

const production = readSettings(pathOf('prod'));
const development = readSettings(pathOf('dev'));
report('dev', development, OUTPUT);
report('prod', production, OUTPUT);
for (const { region } of production.homes) {
  const homes = production.homes.map((home) =>
    home.region === region ? { ...home, prefix: 'a'.repeat(LONGEST_PREFIX) } : home,
  );
  reportOnly(`prod, ${region} failed, the longest prefix`, { ...production, homes, failedOver: region });
}
const [{ region: lost }] = production.homes as [(typeof production.homes)[number]];
reportOnly(`prod, ${lost} returning`, { ...production, failedOver: lost, returning: true });

const vaults = production.homes.map(({ region }) => [
  region,
  `arn:aws:backup:${region}:999988887777:backup-vault:longshore`,
]);
reportOnly('prod, the most domains, every audit, and backups', {
  ...production,
  campaigns: { domains: Array.from({ length: MOST_DOMAINS }, (_, index) => `mail-${index}.globex.example`) },
  audit: {
    ...{ cloudTrailManagementEvents: true, cloudTrailDataEvents: true, config: true, guardDuty: true, macie: true },
    guardDutyRuntime: true,
    flowLogs: 'all',
  },
  backup: { days: 35, isLocked: true, buckets: true, copyTo: Object.fromEntries(vaults) },
  malwareProtection: true,
  archiveLockDays: 90,
});

const { partnerApis: _gateway, ...oneHome } = development;
reportOnly('dev, private doors, amd64', { ...oneHome, doors: 'private', architecture: 'amd64' });

const { partnerApis: _public, ...others } = production;
reportOnly('prod, private doors', {
  ...others,
  doors: 'private',
  homes: production.homes.map(({ healthCheckers: _none, ...home }) => home),
});

/** Made, judged and thrown away. */
function reportOnly(name: string, settings: DeploySettings): void {
  const outdir = mkdtempSync(join(tmpdir(), 'longshore-synth-'));
  try {
    report(name, settings, outdir);
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

function report(name: string, settings: DeploySettings, outdir: string): void {
  const { stacks } = buildApp(settings, { outdir }).synth();
  process.stdout.write(`${stacks.length} stacks of ${name}\n`);
}
