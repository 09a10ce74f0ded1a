/** The workflow runs what is there, needs no secret, may write nothing, and ends. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

interface Job {
  readonly 'timeout-minutes'?: number;
  readonly permissions?: unknown;
  readonly steps: readonly { readonly run?: string; readonly uses?: string }[];
}

interface Locked {
  readonly name?: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** CycloneDX. */
interface PackageList {
  readonly bomFormat: string;
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly hashes?: readonly { readonly alg: string }[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const text = read('.github/workflows/ci.yml');
const workflow = parse(text) as { readonly permissions: object; readonly jobs: Readonly<Record<string, Job>> };
const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
const jobs = Object.entries(workflow.jobs);
const runs = jobs.flatMap(([, { steps }]) => steps.flatMap(({ run }) => run ?? []));

test('it lints, tests, synthesises the stacks and builds the image for both processors', () => {
  expect(Object.keys(workflow.jobs)).toEqual(['lint', 'test', 'test-long', 'synth', 'image']);
  for (const platform of ['linux/amd64', 'linux/arm64']) expect(text).toContain(platform);
});

test('every script that it runs is one of the package', () => {
  const named = runs.flatMap((run) => [...run.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map(([, name]) => name!));
  expect(named.length).toBeGreaterThan(4);
  for (const name of named) expect(scripts).toHaveProperty([name]);
});

test('it needs no secret, may write nothing, and every job has an end', () => {
  expect(text).not.toMatch(/secrets\s*[.[]/);
  expect(workflow.permissions).toEqual({ contents: 'read' });
  for (const [name, job] of jobs) {
    expect(job.permissions, name).toBeUndefined();
    expect(job['timeout-minutes'], name).toBeGreaterThan(0);
  }
});

test('actions are named by commit, with their version beside it: a tag can be moved', () => {
  const used = text.split('\n').filter((line) => /\buses:/.test(line));
  expect(used.length).toBeGreaterThan(10);
  for (const line of used) expect(line).toMatch(/uses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
});

test('packages come from the lockfile, in the workflow and in the image', () => {
  expect(runs.filter((run) => /npm (install|i)\b/.test(run))).toEqual([]);
  const stages = read('deploy/Dockerfile').split(/^FROM /m);
  for (const stage of stages.filter((each) => /AS (dependencies|console)\b/.test(each))) {
    expect(stage).toContain('npm ci');
    expect(stage).not.toMatch(/npm install/);
  }
});

test('every package that the sources in the image import is one that it installs', () => {
  const { dependencies } = JSON.parse(read('package.json')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  // What the Dockerfile copies, of the fleet and of the gateway.
  const copied = [...read('deploy/Dockerfile').matchAll(/^COPY (shared|services|local\/\S+) /gm)].map(
    ([, path]) => path!,
  );
  expect(copied).toEqual(expect.arrayContaining(['shared', 'services', 'local/sftp', 'local/s3']));
  const foreign = new Set<string>();
  for (const folder of copied)
    for (const path of globSync(`${folder}/**/*.ts`, { cwd: fileURLToPath(new URL('..', import.meta.url)) }))
      if (!path.endsWith('.test.ts'))
        for (const [, name = ''] of read(path).matchAll(/\b(?:from |import\()'((?:@[\w.-]+\/)?[\w.-]+)/g))
          if (!/^(?:\.|#|node$)/.test(name)) foreign.add(name);
  expect(foreign.size).toBeGreaterThan(30);
  expect([...foreign].filter((name) => dependencies[name] === undefined)).toEqual([]);
});

test('the list of packages has everything that the image installs, with its origin and digest, and nothing of development', async () => {
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'sbom'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    maxBuffer: 64 * 1024 ** 2,
  });
  const { bomFormat, components, dependencies } = JSON.parse(stdout) as PackageList;
  expect(bomFormat).toBe('CycloneDX');
  const listed = new Map(components.map((component) => [`${component.name}@${component.version}`, component]));
  expect([...listed.keys()].sort()).toEqual(installedBySource().sort());
  for (const [name, { purl, hashes }] of listed) {
    expect(purl, name).toMatch(/^pkg:npm\//);
    expect(hashes?.[0]?.alg, name).toBe('SHA-512');
  }
  const refs = new Set(dependencies.map(({ ref }) => ref));
  for (const { ref, dependsOn } of dependencies) for (const each of dependsOn) expect(refs.has(each), ref).toBe(true);
});

/** What the package's own dependencies lead to, as Node resolves it: not by the marks of the lockfile. */
function installedBySource(): string[] {
  const { packages } = JSON.parse(read('package-lock.json')) as { readonly packages: Readonly<Record<string, Locked>> };
  const found = new Map<string, string>();
  const waiting = [''];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = packages[path]!;
    const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true);
    for (const name of [...Object.keys(dependencies), ...peers]) {
      let above = path;
      let place = `${above === '' ? '' : `${above}/`}node_modules/${name}`;
      while (packages[place] === undefined && above !== '') {
        above = above.replace(/\/?node_modules\/(?:@[^/]+\/)?[^/]+$/, '');
        place = `${above === '' ? '' : `${above}/`}node_modules/${name}`;
      }
      const target = packages[place];
      if (target === undefined || found.has(place)) continue;
      found.set(place, `${target.name ?? name}@${target.version}`);
      waiting.push(place);
    }
  }
  return [...new Set(found.values())];
}
