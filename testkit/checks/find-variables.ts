/** Every variable of every process, with its default and its description, from the schemas that the processes read them by. */
import type { z } from 'zod';
import { variables as command } from '#cli/config.ts';
import { variables as clamd } from '#local/clamd/config.ts';
import { variables as eventBridge } from '#local/event-bridge/config.ts';
import { variables as queueServer } from '#local/fauxqs/config.ts';
import { variables as gateway } from '#local/gateway/config.ts';
import { variables as launcher } from '#local/launcher/config.ts';
import { variables as partnerFiles } from '#local/partner-files/config.ts';
import { variables as partnerSimulator } from '#local/partner-simulator/config.ts';
import { variables as s3Server } from '#local/s3/config.ts';
import { variables as sftpGateway } from '#local/sftp/config.ts';
import { variables as authorizer } from '#services/authorizer/config.ts';
import { variables as controlApi } from '#services/control-api/config.ts';
import { variables as ingestor } from '#services/ingestor/config.ts';
import { variables as largeFileWorker } from '#services/large-file-worker/config.ts';
import { variables as migration } from '#services/migration/config.ts';
import { variables as partnerWorker } from '#services/partner-worker/config.ts';
import { variables as retrySweeper } from '#services/retry-sweeper/config.ts';
import { variables as router } from '#services/router/config.ts';
import { variables as sftpLogins } from '#services/sftp-logins/config.ts';
import { fleetVariables } from '#shared/runtime/config/fleet-variables.ts';

type Shape = Readonly<Record<string, z.ZodType>>;

export interface Variable {
  readonly name: string;
  /** `required`, `none`, or the value. */
  readonly fallback: string;
  readonly description: string;
}

/** By the heading of its table. */
const SERVICES = {
  ingestor,
  router,
  'partner-worker': partnerWorker,
  'large-file-worker': largeFileWorker,
  'retry-sweeper': retrySweeper,
  'control-api': controlApi,
};
const OTHERS = {
  authorizer,
  'SFTP logins on AWS': sftpLogins,
  migration,
  'npm start': launcher,
  'SFTP gateway': sftpGateway,
  'S3 server': s3Server,
  'event bridge': eventBridge,
  'queue server': queueServer,
  'API gateway stand-in': gateway,
  'partner simulator': partnerSimulator,
  'partner files': partnerFiles,
  'virus scanner': clamd,
  'longshore command': command,
};

export function findVariables(): Record<string, Variable[]> {
  const own = (shape: Shape) => Object.fromEntries(Object.entries(shape).filter(([name]) => !(name in fleetVariables)));
  return {
    'Every service': describe(fleetVariables),
    ...Object.fromEntries(Object.entries(SERVICES).map(([heading, { shape }]) => [heading, describe(own(shape))])),
    ...Object.fromEntries(Object.entries(OTHERS).map(([heading, { shape }]) => [heading, describe(shape)])),
  };
}

function describe(shape: Shape): Variable[] {
  return Object.entries(shape).map(([name, schema]) => {
    const absent = schema.safeParse(undefined);
    const fallback = absent.success ? String(absent.data ?? '') || 'none' : 'required';
    return { name, fallback, description: schema.description ?? '' };
  });
}
