/**
 * Which project of vitest a test file belongs to, by what it uses, so that nobody keeps a list.
 *
 * 1. `unit` reaches no process, socket or database, itself or through what it imports: such files share threads and modules.
 * 2. `process` is what changes or measures its whole process; a file of it has one of its own.
 * 3. `e2e` is what runs a whole fleet, `long` what is long by nature (`*.long.test.ts`), `service` everything else.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const PROJECT_NAMES = ['unit', 'service', 'process', 'e2e', 'long'] as const;
export type ProjectName = (typeof PROJECT_NAMES)[number];

/** Imports that a unit test does not reach. */
const BEYOND_UNIT =
  /^(node:(child_process|cluster|dgram|dns|http|http2|https|net|tls|worker_threads|sqlite)|postgres|ssh2|undici|got|fastify|sqs-consumer|fauxqs|nodemailer|@aws-sdk\/.*|@fastify\/.*|aws-cdk-lib.*|drizzle-orm.*)$/;
/** What changes its whole process for good, or measures it. What `vi` stubs is put back after each file (`restore-stubs.ts`). */
const NEEDS_PROCESS =
  /process\.(chdir|on)\(|vi\.mock|process\.env[.[]\w+\]?\s*(\?\?)?=[^=]|delete process\.env|memoryUsage|peak-rss|resourceUsage|cost-growth|monitorEventLoopDelay/;
/** Of what starts the whole stack, or its launcher. */
const RUNS_FLEET = /start-test-fleet\.ts'|#local\/stack\.ts'|local\/main\.ts/;
/** Calls whose effect outlives a file that shares its modules with others. */
const NOT_SHARED = /\b(process\.chdir|vi\.(mock|stubGlobal|stubEnv)|process\.env\b|process\.kill|memoryUsage)\b/;

export function groupTestFiles(root: string): Record<ProjectName, string[]> {
  const files = globSync('**/*.test.ts', {
    cwd: root,
    exclude: ['**/node_modules/**', '**/.longshore/**', 'test/containers/**'],
  }).sort();
  const reaches = createReach(root);
  const groups: Record<ProjectName, string[]> = { unit: [], service: [], process: [], e2e: [], long: [] };
  for (const file of files) groups[projectOf(file, root, reaches)].push(file);
  return groups;
}

function projectOf(file: string, root: string, reaches: (path: string) => boolean): ProjectName {
  if (file.endsWith('.long.test.ts')) return 'long';
  const text = readFileSync(join(root, file), 'utf8');
  if (RUNS_FLEET.test(text)) return 'e2e';
  if (NEEDS_PROCESS.test(text)) return 'process';
  const isAlone = NOT_SHARED.test(text);
  return isAlone || reaches(join(root, file)) ? 'service' : 'unit';
}

/** Whether a file of ours imports, however far away, what no unit test may reach. Types are not imports. */
function createReach(root: string): (path: string) => boolean {
  const known = new Map<string, boolean>();
  return function reaches(path: string): boolean {
    const answer = known.get(path);
    if (answer !== undefined) return answer;
    // While it is being looked at, a circle adds nothing.
    known.set(path, false);
    const isBeyond = importsOf(path).some((specifier) => {
      const own = resolveOwn(root, path, specifier);
      return own === undefined ? BEYOND_UNIT.test(specifier) : existsSync(own) && reaches(own);
    });
    known.set(path, isBeyond);
    return isBeyond;
  };
}

/** Specifiers, without those of types. */
export function importsOf(path: string): string[] {
  if (!/\.[cm]?[jt]s$/.test(path)) return [];
  const text = readFileSync(path, 'utf8').replaceAll(/^import type [^;]*;/gm, '');
  return [...text.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

/** The path of a module of ours. */
export function resolveOwn(root: string, path: string, specifier: string): string | undefined {
  if (specifier.startsWith('#')) return join(root, specifier.slice(1));
  return specifier.startsWith('.') ? join(root, relative(root, dirname(path)), specifier) : undefined;
}
