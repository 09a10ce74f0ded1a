/**
 * The examples of a new home: their tenants, partners and routes, and sample files sent through the front door.
 *
 * 1. `examples/<tenant>/routes.yaml` says what is done with the files, `partners.yaml` beside it whom their records are shown to; what
 *    lies under `examples/<tenant>/files/` is uploaded to the same path in the tenant's directory.
 * 2. A home takes them once. A marker is written when all were sent; a start that was cut off before sends them again, which
 *    is an overwrite, hence new files.
 * 3. Partners are written with the gateway's address of the default ports, so that they can be applied by hand as they stand; with other
 *    ports its own address takes that place.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import type { Endpoints } from '#local/launcher/endpoints.ts';
import { sendFiles } from '#local/launcher/send-files.ts';
import type { TenantToRegister } from '#local/launcher/tenant-access.ts';
import { applyPartner, applyRoute, applyStore } from '#shared/definitions/apply-definitions.ts';
import { type ParsedDocument, parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import { findCallFaults } from '#shared/definitions/routes/find-call-faults.ts';
import { LongshoreError } from '#shared/errors.ts';

export interface Examples {
  readonly tenants: readonly TenantToRegister[];
  /** Partners and stores first: routes name them. */
  applyDefinitions(databaseUrl: string): Promise<void>;
  /** Uploads the sample files, each tenant's as that tenant. */
  send(endpoints: Endpoints): Promise<void>;
}

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const DEFINITIONS = ['routes.yaml', 'partners.yaml'];
/** As the examples name it. */
const EXAMPLE_GATEWAY = 'http://127.0.0.1:8088';
const ACTOR = 'examples';

/** Undefined when the home has had them. @throws LongshoreError `CONFIG_INVALID` naming each fault of an example. */
export async function prepareExamples(home: string, gatewayUrl = EXAMPLE_GATEWAY): Promise<Examples | undefined> {
  const marker = join(home, 'examples-sent');
  if (existsSync(marker)) return undefined;
  const directories = (await readdir(EXAMPLES, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const paths = directories
    .flatMap(({ name }) => DEFINITIONS.map((definition) => join(EXAMPLES, name, definition)))
    .filter((path) => existsSync(path));
  const documents = await readDocuments(paths, gatewayUrl);
  return {
    tenants: documents.flatMap(({ document }) => (document.kind === 'tenant' ? [document] : [])),
    applyDefinitions: (databaseUrl) => applyDefinitions(databaseUrl, documents),
    send: async (endpoints) => {
      for (const [id, access] of Object.entries(endpoints.tenants)) {
        const directory = join(EXAMPLES, id, 'files');
        if (existsSync(directory)) await sendFiles({ ...endpoints.sftp, access, directory });
      }
      await writeFile(marker, '', { mode: 0o600 });
    },
  };
}

async function readDocuments(paths: readonly string[], gatewayUrl: string): Promise<readonly ParsedDocument[]> {
  const files = paths.map(async (path) => {
    const text = await readFile(path, 'utf8');
    return { name: path, text: text.replaceAll(EXAMPLE_GATEWAY, gatewayUrl) };
  });
  const parsed = parseRouteFiles(await Promise.all(files));
  const found = parsed.ok ? findCallFaults(parsed.documents, { partners: [], routes: [] }) : parsed.faults;
  if (parsed.ok && found.length === 0) return parsed.documents;
  const faults = found.map(({ file, line, path, message }) => `${file}:${line}: ${path} ${message}`);
  throw new LongshoreError('CONFIG_INVALID', `The examples have faults:\n  ${faults.join('\n  ')}`);
}

async function applyDefinitions(databaseUrl: string, documents: readonly ParsedDocument[]): Promise<void> {
  const sql = connectLauncher(databaseUrl);
  try {
    for (const { document, definitionHash, source } of documents) {
      if (document.kind !== 'partner' && document.kind !== 'store') continue;
      const { tenant: tenantId, name } = document;
      const apply = document.kind === 'partner' ? applyPartner : applyStore;
      await apply(sql, { tenantId, name, definition: document, definitionHash, source }, ACTOR);
    }
    for (const { document, definitionHash, source } of documents) {
      if (document.kind !== 'route') continue;
      const { tenant: tenantId, name } = document;
      const route = { tenantId, name, definition: document, definitionHash, source, notify: document.notify };
      await applyRoute(sql, route, ACTOR);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}
