import { runService } from '#shared/runtime/run-service.ts';
import { readConfig, readSettings } from './config.ts';
import { createService } from './service.ts';

await runService({
  name: 'control-api',
  loadConfig: readConfig,
  create: (context) => createService({ ...context, settings: readSettings() }),
});
