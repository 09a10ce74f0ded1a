/**
 * What `cdk` runs: `cdk deploy --all --app "node deploy/app.ts deploy/settings/prod.yaml"`. Without `cdk` it writes the templates to
 * `cdk.out`. No account and no network are needed.
 */
import { fileURLToPath } from 'node:url';
import { buildApp } from './build-app.ts';
import { readOutputFolder } from './config.ts';
import { readSettings } from './settings.ts';

const [path = fileURLToPath(new URL('settings/dev.yaml', import.meta.url))] = process.argv.slice(2);
const fallback = fileURLToPath(new URL('../cdk.out', import.meta.url));
const outdir = readOutputFolder() ?? fallback;
const assembly = buildApp(readSettings(path), { outdir }).synth();
process.stderr.write(`${assembly.stacks.length} stacks of ${path} in ${outdir}\n`);
