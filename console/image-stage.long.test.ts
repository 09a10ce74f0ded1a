/** The stage of the image that builds the pages has all that the build reads. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

test('the pages are built from what the stage copies', () => {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-stage-'));
  try {
    const [, stage = ''] = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8').split(' AS console\n');
    const copied = [...(stage.split('\nFROM ')[0] ?? '').matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, paths = '']) =>
      paths.split(' '),
    );
    expect(copied.length).toBeGreaterThan(0);
    const isKept = (path: string) => !path.startsWith(join(ROOT, 'console/dist'));
    for (const path of copied) cpSync(join(ROOT, path), join(directory, path), { recursive: true, filter: isKept });
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    execFileSync(process.execPath, [join(directory, 'console/build-pages.ts')]);
    expect(existsSync(join(directory, 'console/dist/console.html'))).toBe(true);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
