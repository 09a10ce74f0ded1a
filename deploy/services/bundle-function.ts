/**
 * A service that Lambda runs, as one file of JavaScript: Lambda loads no TypeScript and has no `node_modules` of ours. Gives its
 * folder; the same source gives the same bytes, and so no new deployment.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

type BundledService = 'authorizer' | 'sftp-logins';

/** Once in a process is enough. */
const folders = new Map<BundledService, string>();
/** What CommonJS packages in the bundle call; ES modules have none. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

export function bundleFunction(service: BundledService): string {
  const folder = folders.get(service) ?? bundle(service);
  folders.set(service, folder);
  return folder;
}

function bundle(service: BundledService): string {
  const folder = fileURLToPath(new URL(`../../node_modules/.cache/longshore/${service}`, import.meta.url));
  const built = buildSync({
    entryPoints: [fileURLToPath(new URL(`../../services/${service}/lambda.ts`, import.meta.url))],
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
  const file = join(folder, 'lambda.mjs');
  if (existsSync(file) && readFileSync(file).equals(code)) return folder;
  mkdirSync(folder, { recursive: true });
  // Several syntheses may run side by side: none sees half a file.
  const draft = `${folder}-${process.pid}.mjs`;
  writeFileSync(draft, code);
  renameSync(draft, file);
  return folder;
}
