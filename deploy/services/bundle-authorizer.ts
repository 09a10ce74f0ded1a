/**
 * The authorizer as one file of JavaScript for Lambda, which loads no TypeScript and has no `node_modules` of ours. Gives its
 * folder; the same source gives the same bytes, and so no new deployment.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const SOURCE = fileURLToPath(new URL('../../services/authorizer/lambda.ts', import.meta.url));
const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/longshore/authorizer', import.meta.url));
/** Once in a process is enough. */
let folder: string | undefined;
/** What CommonJS packages in the bundle call; ES modules have none. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

export function bundleAuthorizer(): string {
  folder ??= bundle();
  return folder;
}

function bundle(): string {
  const built = buildSync({
    entryPoints: [SOURCE],
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: REQUIRE },
    minify: true,
    keepNames: true,
    logLevel: 'warning',
  });
  const code = built.outputFiles[0]?.contents ?? new Uint8Array();
  const file = join(FOLDER, 'lambda.mjs');
  if (existsSync(file) && readFileSync(file).equals(code)) return FOLDER;
  mkdirSync(FOLDER, { recursive: true });
  // Several syntheses may run side by side: none sees half a file.
  const draft = `${FOLDER}-${process.pid}.mjs`;
  writeFileSync(draft, code);
  renameSync(draft, file);
  return FOLDER;
}
