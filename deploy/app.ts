/**
 * What `cdk` runs (cdk.json): `cdk deploy --all -c settings=deploy/settings/prod.yaml`. Without `cdk` it writes the templates of the file that
 * is named to `cdk.out`; no account and no network are needed then.
 */
import { fileURLToPath } from 'node:url';
import { LongshoreError } from '#shared/errors.ts';
import { buildApp } from './build-app.ts';
import { readOutputFolder, readSettingsPath } from './config.ts';
import { readSettings } from './settings.ts';

const path = process.argv[2] ?? readSettingsPath();
// What it deployed otherwise would be somebody's sample.
if (path === undefined) throw new LongshoreError('CONFIG_INVALID', 'Name the settings file: cdk ... -c settings=FILE.');
const fallback = fileURLToPath(new URL('../cdk.out', import.meta.url));
const outdir = readOutputFolder() ?? fallback;
const assembly = buildApp(readSettings(path), { outdir }).synth();
process.stderr.write(`${assembly.stacks.length} stacks of ${path} in ${outdir}\n`);
