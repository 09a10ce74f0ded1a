import { runService } from '#shared/runtime/run-service.ts';
import { loadPartnerWorkerConfig } from './config.ts';
import { createPartnerWorker } from './service.ts';

await runService({ name: 'partner-worker', loadConfig: () => loadPartnerWorkerConfig(), create: createPartnerWorker });
