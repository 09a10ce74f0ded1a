/** What a file stubbed is put back before the next file of its process: after the file's own last hook, which may need it still. */
import { afterAll, vi } from 'vitest';

afterAll(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});
