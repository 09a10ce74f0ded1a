import { runService } from '#shared/runtime/run-service.ts';
import { loadIngestorConfig } from './config.ts';
import { createIngestor } from './service.ts';

await runService({ name: 'ingestor', loadConfig: () => loadIngestorConfig(), create: createIngestor });
