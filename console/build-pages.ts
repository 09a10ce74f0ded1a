/**
 * Builds the pages into `console/dist`, unless they are there already for the same sources: `node console/build-pages.ts`.
 *
 * 1. The stamp is a digest of the sources and of the versions that they are built with; one that fits ends the program before Vite is loaded.
 * 2. `dist` is replaced whole, so what is served is never half a build, and not at all by the second of two builds of the same sources.
 * 3. A build that fails leaves its reason in `dist`, where the server finds it, and ends with 1.
 */
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const ROOT = import.meta.dirname;
const DIST = join(ROOT, 'dist');
const STAMP = 'stamp';
/** As `services/control-api/pages/serve-pages.ts` looks for it. */
const FAILURE = 'build-failed.txt';
const SMALLEST_COMPRESSED_BYTES = 512;
const COMPRESSED = /\.(js|css|svg)$/;
/** Nearly as small as the highest, at a tenth of the time. */
const BROTLI_QUALITY = 9;

function stampOf(): string {
  const sources = globSync(['*.{html,ts,json}', 'src/**/*'], { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  const hash = createHash('sha256');
  const others = ['package-lock.json', 'shared/errors.ts'].map((path) => join(ROOT, '..', path));
  for (const path of [...sources.sort(), ...others])
    hash.update(path.slice(ROOT.length)).update('\0').update(readFileSync(path)).update('\0');
  return hash.digest('hex');
}

async function buildInto(directory: string): Promise<void> {
  const { build } = await import('vite');
  await build({
    root: ROOT,
    configFile: join(ROOT, 'vite.config.ts'),
    logLevel: 'error',
    build: { outDir: directory, emptyOutDir: true },
  });
  for (const page of ['console', 'portal']) {
    const path = join(directory, `${page}.html`);
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll('="./', `="/${page}/`));
  }
  const assets = await readdir(join(directory, 'assets'));
  await Promise.all(
    assets.filter((name) => COMPRESSED.test(name)).map((name) => compress(join(directory, 'assets', name))),
  );
}

async function compress(path: string): Promise<void> {
  const bytes = await readFile(path);
  if (bytes.length < SMALLEST_COMPRESSED_BYTES) return;
  const params = { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY };
  await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params }));
  await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }));
}

async function replaceDist(directory: string): Promise<void> {
  const old = `${directory}.old`;
  while (!(await isBuilt())) {
    await rename(DIST, old).catch(() => {});
    // Another build has put its own there in between.
    const isTaken = await rename(directory, DIST).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      return true;
    });
    await rm(old, { recursive: true, force: true });
    if (isTaken !== true) return;
  }
  await rm(directory, { recursive: true, force: true });
}

async function isBuilt(): Promise<boolean> {
  return (await readFile(join(DIST, STAMP), 'utf8').catch(() => '')) === stamp;
}

const stamp = stampOf();
if (!(await isBuilt())) {
  const next = join(ROOT, `dist.${process.pid}`);
  try {
    await buildInto(next);
    await writeFile(join(next, STAMP), stamp);
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    await rm(next, { recursive: true, force: true });
    await mkdir(next);
    await writeFile(join(next, FAILURE), String(error instanceof Error ? error.message : error));
  }
  await replaceDist(next);
}
