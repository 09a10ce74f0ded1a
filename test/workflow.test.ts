/** The workflow runs what is there, needs no secret, may write nothing, and ends. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

interface Job {
  readonly 'timeout-minutes'?: number;
  readonly permissions?: unknown;
  readonly steps: readonly { readonly run?: string; readonly uses?: string }[];
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
