/**
 * `npm run sbom`: what the image has of npm's packages, as CycloneDX. JavaScript, for the image is built before its sources are there.
 *
 * Which these are is read from the lockfile, by the marks after which `npm ci` omits. `npm sbom --omit dev` leaves out whatever a package of
 * development depends on as well (fastify, zod), and a package that is there twice has the marks of one of the two.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const MOST_BYTES = 64 * 1024 ** 2;

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const installed = new Map(
  Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .map(([path, { name, version, integrity }]) => [
      `${name ?? path.replace(/^.*node_modules\//, '')}@${version}`,
      { alg: 'SHA-512', content: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex') },
    ]),
);
const printed = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], {
  maxBuffer: MOST_BYTES,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const list = JSON.parse(printed.toString());
const components = list.components
  .filter(({ name, version }) => installed.has(`${name}@${version}`))
  .map(({ properties, ...component }) => {
    const digest = installed.get(`${component.name}@${component.version}`);
    return { ...component, scope: 'required', hashes: [digest] };
  });
const kept = new Set([list.metadata.component['bom-ref'], ...components.map((component) => component['bom-ref'])]);
const dependencies = list.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)) }));
process.stdout.write(`${JSON.stringify({ ...list, components, dependencies }, undefined, 2)}\n`);
