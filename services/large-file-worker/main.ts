import { runService } from '#shared/runtime/run-service.ts';
import { loadLargeFileWorkerConfig } from './config.ts';
import { createLargeFileWorker } from './service.ts';

await runService({
  name: 'large-file-worker',
  loadConfig: () => loadLargeFileWorkerConfig(),
  create: createLargeFileWorker,
});
