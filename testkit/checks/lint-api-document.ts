/** Holds the OpenAPI document of the control API to `redocly.yaml`. Ends with the linter's exit code. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readApiDocument } from './read-api-document.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TIMEOUT_MS = 120_000;
/** It would report its use, and ask a registry for its newest version. */
const QUIET = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };

const directory = mkdtempSync(join(tmpdir(), 'longshore-openapi-'));
try {
  const file = join(directory, 'openapi.json');
  writeFileSync(file, JSON.stringify(await readApiDocument(), null, 1));
  const linter = fileURLToPath(import.meta.resolve('@redocly/cli/bin/cli.js'));
  const { status, error } = spawnSync(
    process.execPath,
    [linter, 'lint', file, '--config', join(ROOT, 'redocly.yaml')],
    {
      cwd: ROOT,
      env: { ...process.env, ...QUIET },
      stdio: 'inherit',
      timeout: TIMEOUT_MS,
    },
  );
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
