import { runService } from '#shared/runtime/run-service.ts';
import { loadRouterConfig } from './config.ts';
import { createRouter } from './service.ts';

await runService({ name: 'router', loadConfig: () => loadRouterConfig(), create: createRouter });
