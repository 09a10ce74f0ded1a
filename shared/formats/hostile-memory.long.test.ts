/** Whatever a file contains, its worker takes at most 64 MB more for it than for an ordinary one. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { MEMORY_VARIABLES, memoryFlags } from '#shared/runtime/config/memory.ts';
import { HOSTILE_FILES } from '#testkit/seeds/hostile-files.ts';

const FIXTURE = fileURLToPath(new URL('../../testkit/beds/hostile-file-reader.ts', import.meta.url));
const MOST_GROWN_BYTES = 64_000_000;
const BOMBS: ReadonlySet<string> = new Set(['gzip of zeros', 'zip of zeros']);
/** A collector that is late adds to a peak: what is needed is the lowest of a few. */
const MOST_RUNS = 8;

it.runIf(process.platform === 'linux').each(Object.keys(HOSTILE_FILES))(
  'reads %s within 64 MB',
  async (name) => {
    let grownBytes = Number.POSITIVE_INFINITY;
    for (let runs = 0; runs < MOST_RUNS && grownBytes > MOST_GROWN_BYTES; runs += 1) {
      const run = await read(name);
      expect(run.code).toBe(BOMBS.has(name) ? 'ARCHIVE_BOMB' : null);
      grownBytes = Math.min(grownBytes, run.grownBytes);
    }
    expect(grownBytes).toBeLessThanOrEqual(MOST_GROWN_BYTES);
  },
  390_000,
);

async function read(name: string): Promise<{ grownBytes: number; code: string | null }> {
  const { stdout } = await promisify(execFile)(process.execPath, [...memoryFlags('partner-worker'), FIXTURE, name], {
    env: { ...process.env, ...MEMORY_VARIABLES },
    timeout: 120_000,
  });
  return JSON.parse(stdout);
}
