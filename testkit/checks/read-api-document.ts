/** The OpenAPI document of the control API, composed without a database, a queue or a port. */

import pino from 'pino';
import { Registry } from 'prom-client';
import { type AppOptions, buildApp } from '#services/control-api/build-app.ts';
import { bucketNames } from '#shared/runtime/config/resource-names.ts';

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, ApiSchema>> };
}

export interface ApiOperation {
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly ApiParameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: ApiSchema }>> };
}

export interface ApiParameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: ApiSchema;
}

export interface ApiSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, ApiSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly ApiSchema[];
  readonly items?: ApiSchema;
}

/** Nothing of it is called: handlers are described, and no request is made. */
const UNUSED = {} as Pick<
  AppOptions,
  | 'sql'
  | 'reads'
  | 'senders'
  | 'readDepths'
  | 'authenticate'
  | 'authenticateSession'
  | 'noteSessionUse'
  | 'secrets'
  | 'transports'
>;

export async function readApiDocument(): Promise<ApiDocument> {
  const app = await buildApp({
    ...UNUSED,
    landing: {} as AppOptions['landing'],
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
    admissionWindow: 1,
    region: 'us-east-1',
    largeFileThresholdBytes: 0,
    bucketNames: bucketNames('test'),
    actionApprovalOver: undefined,
    ratePerSecond: 1,
    strangerRatePerMinute: 1,
    streamsPerKey: 1,
    streams: 1,
    trustedProxies: [],
    chat: { slack: undefined, teamsWebhooks: new Map() },
    linkSecret: undefined,
    signIn: { hasLinks: false, consoleOrigin: undefined, portalOrigin: undefined },
    mailServer: undefined,
  });
  await app.ready();
  try {
    return app.swagger() as ApiDocument;
  } finally {
    await app.close();
  }
}
