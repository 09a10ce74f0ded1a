/** The rules of the tree, executable: who may import whom, and where each vendor library and the environment are read. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { groupTestFiles, PROJECT_NAMES } from '#testkit/vitest/test-projects.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCE_FOLDERS = [
  'shared',
  'services',
  'cli',
  'console',
  'deploy',
  'load',
  'local',
  'bench',
  'simulate',
  'test',
  'testkit',
  'scripts',
];

interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** As written, except that relative and `#` imports are paths from the root. */
  readonly imports: readonly string[];
}

const sources = SOURCE_FOLDERS.flatMap((folder) => readSources(join(ROOT, folder)));
const shipped = sources.filter((file) => !isTest(file.path));

function readSources(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/node_modules|console\/dist/.test(entry.parentPath),
    )
    .map((entry) => {
      const path = relative(ROOT, join(entry.parentPath, entry.name));
      const text = readFileSync(join(ROOT, path), 'utf8');
      return { path, text, imports: importsOf(path, text) };
    });
}

function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
  return specifiers.map((specifier) => {
    if (specifier.startsWith('#')) return specifier.slice(1);
    return specifier.startsWith('.') ? relative(ROOT, join(ROOT, path, '..', specifier)) : specifier;
  });
}

function isTest(path: string): boolean {
  return /\.test\.tsx?$|^deploy\/.*-test-bed\.ts$|^(test|testkit)\//.test(path);
}

function offenders(files: readonly SourceFile[], isWrong: (imported: string, file: SourceFile) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports.filter((imported) => isWrong(imported, file)).map((imported) => `${file.path} imports ${imported}`),
  );
}

const inFolder = (path: string, folder: string) => path.startsWith(`${folder}/`);

describe('imports', () => {
  test('shared imports nothing of ours but shared', () => {
    const files = shipped.filter((file) => inFolder(file.path, 'shared'));
    expect(offenders(files, (imported) => /^(services|cli|local|bench|load|test|testkit)\//.test(imported))).toEqual(
      [],
    );
  });

  test('services and the command line import only themselves and shared', () => {
    const files = shipped.filter((file) => inFolder(file.path, 'services') || inFolder(file.path, 'cli'));
    const isForeign = (imported: string, file: SourceFile) => {
      const own = file.path
        .split('/')
        .slice(0, file.path.startsWith('services/') ? 2 : 1)
        .join('/');
      return /^(services|cli|local|bench|load|test|testkit)\//.test(imported) && !inFolder(imported, own);
    };
    expect(offenders(files, isForeign)).toEqual([]);
  });

  test('only tests, benchmarks, loads and local itself import local', () => {
    const files = shipped.filter((file) => !/^(local|bench|load)\//.test(file.path));
    expect(offenders(files, (imported) => inFolder(imported, 'local'))).toEqual([]);
  });

  test('deploy imports of services their configuration alone, and of shared what does no I/O', () => {
    // The program that prepares the compose file's servers runs inside the image, as a service does.
    const files = shipped.filter((file) => inFolder(file.path, 'deploy') && !inFolder(file.path, 'deploy/compose'));
    const isForeign = (imported: string) =>
      /^(cli|local|bench|load|test|testkit)\//.test(imported) ||
      (inFolder(imported, 'services') && !imported.endsWith('/config.ts')) ||
      /^shared\/(db|files|http|jobs|worker|runtime\/(?!config\/))/.test(imported);
    expect(offenders(files, isForeign)).toEqual([]);
  });

  test('pages import of the server its types alone, and nothing imports the pages', () => {
    const pages = shipped.filter((file) => inFolder(file.path, 'console/src'));
    const values = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/^import (?!type\b)[^;]*?'(#[^']+)'/gm)].map(([, imported]) => `${path} imports ${imported}`),
    );
    expect(values).toEqual([]);
    expect(offenders(pages, (imported) => /^(cli|deploy|local|bench|load|node:)/.test(imported))).toEqual([]);
    const others = sources.filter((file) => !inFolder(file.path, 'console') && !inFolder(file.path, 'test/console'));
    expect(offenders(others, (imported) => inFolder(imported, 'console'))).toEqual([]);
  });

  test('what ships imports nothing of the testkit', () => {
    const files = shipped.filter((file) => !/^(bench|load)\//.test(file.path));
    expect(offenders(files, (imported) => /^(testkit\/|vitest$)/.test(imported))).toEqual([]);
  });

  test('tests of shared reach what is embedded through the testkit alone', () => {
    const files = sources.filter((file) => inFolder(file.path, 'shared'));
    expect(offenders(files, (imported) => inFolder(imported, 'local'))).toEqual([]);
  });

  test('pure folders import no I/O', () => {
    const isPure = (path: string) =>
      /^shared\/(messages|definitions\/routes|formats)\//.test(path) ||
      /^shared\/definitions\/[^/]+-schema\.ts$/.test(path) ||
      /^shared\/partners\/(request-template|value-path)\.ts$/.test(path) ||
      /^shared\/steps\/[^/]+\/options\.ts$/.test(path);
    const isIo = (imported: string) =>
      /^node:(fs|net|http|https|child_process|dns|tls)/.test(imported) ||
      /^shared\/(db|http|files|runtime)\/(?!object-location|config\/)/.test(imported) ||
      /^(postgres|sqs-consumer|@aws-sdk\/)/.test(imported);
    expect(
      offenders(
        shipped.filter((file) => isPure(file.path)),
        isIo,
      ),
    ).toEqual([]);
  });
});

test('no file of a stack or of its constructs is longer than 250 lines: what is larger is several constructs', () => {
  const long = shipped
    .filter(({ path, text }) => inFolder(path, 'deploy') && /from '(aws-cdk-lib|constructs)\b/.test(text))
    .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
    .filter(({ lines }) => lines > 250);
  expect(long).toEqual([]);
});

describe('vendor libraries have one home each', () => {
  const homes: readonly [string, RegExp, RegExp][] = [
    ['queue', /^(sqs-consumer|@aws-sdk\/client-(sqs|sns|kinesis|eventbridge))$/, /^(shared\/queue|bench|local)\//],
    ['files', /^(@aws-sdk\/client-s3|@aws-sdk\/lib-storage)$/, /^(shared\/files|bench|load|local|deploy\/compose)\//],
    ['db', /^(drizzle-orm.*|postgres)$/, /^(shared\/db|shared\/databases|bench|local)\//],
    ['tracing', /^@opentelemetry\//, /^shared\/runtime\/tracing\//],
    ['secrets', /^@aws-sdk\/client-secrets-manager$/, /^shared\/runtime\/secrets\//],
    ['pgp', /^openpgp$/, /^(shared\/content\/pgp|bench)\//],
    ['archives', /^(yauzl|tar-stream)$/, /^(shared\/content\/archives|local\/clamd)\//],
    ['mail', /^nodemailer$/, /^shared\/notices\//],
    ['pages', /^(react|react-dom|@tanstack|wouter|uplot|@codemirror|@lezer|@vitejs|vite)(\/|$)/, /^(console|deploy)\//],
    ['http', /^(undici|got)$/, /^(shared\/http|shared\/remotes\/https|bench)\//],
    ['sign-in', /^(openid-client|@fastify\/cookie)$/, /^services\/control-api\/(sign-in|http)\//],
  ];
  test.each(homes)('%s', (_home, library, folders) => {
    expect(offenders(shipped, (imported, file) => library.test(imported) && !folders.test(file.path))).toEqual([]);
  });
});

test('no thread reads foreign text: V8 aborts the whole process where one takes too much memory at once', () => {
  const threads = shipped.filter(({ path, text }) => /new Worker\(/.test(text) && !inFolder(path, 'console'));
  expect(threads.map(({ path }) => path)).toEqual(['shared/confined/answer-questions.ts']);
});

test('the environment is read in configuration files only', () => {
  const isAllowed = (path: string) => /config[^/]*\.ts$/.test(path);
  const readers = shipped.filter((file) => file.text.includes('process.env') && !isAllowed(file.path));
  expect(readers.map((file) => file.path)).toEqual([]);
});

test('no import goes in a circle', () => {
  const graph = new Map(
    sources.map((file) => [file.path, file.imports.filter((imported) => imported.endsWith('.ts'))]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' > '));
    if (done.has(path) || trail.includes(path)) return;
    for (const imported of graph.get(path) ?? []) visit(imported, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  expect(circles).toEqual([]);
});

test('files say what they are: no catch-all names', () => {
  const vague = sources.filter((file) =>
    /(^|\/)(utils?|helpers?|common|misc|manager|types|index)\.ts$/.test(file.path),
  );
  expect(vague.map((file) => file.path)).toEqual([]);
});

describe('the check of a clean clone', () => {
  test('runs every project of tests', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const commands = readFileSync(join(ROOT, '.ci/run'), 'utf8').matchAll(/^npm (?:run )?(\S+)$/gm);
    const run = [...commands].map(([, name]) => scripts[name!] ?? '').join('\n');
    const named = [...run.matchAll(/--project (\S+)/g)].map(([, name]) => name);
    expect(named.sort()).toEqual([...PROJECT_NAMES].sort());
  });

  test('has every test file in one project', () => {
    const grouped = Object.values(groupTestFiles(ROOT)).flat();
    expect(new Set(grouped).size).toBe(grouped.length);
    const tests = sources.map(({ path }) => path).filter((path) => path.endsWith('.test.ts'));
    expect(tests.filter((path) => !grouped.includes(path) && !inFolder(path, 'test/containers'))).toEqual([]);
  });
});
