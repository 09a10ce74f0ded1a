import { runService } from '#shared/runtime/run-service.ts';
import { loadRetrySweeperConfig } from './config.ts';
import { createRetrySweeper } from './service.ts';

await runService({ name: 'retry-sweeper', loadConfig: () => loadRetrySweeperConfig(), create: createRetrySweeper });
