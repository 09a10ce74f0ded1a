/**
 * The examples of a new home: their tenants and routes, and sample files sent through the front door.
 *
 * 1. `examples/<tenant>/routes.yaml` says what is done with the files; what lies under `examples/<tenant>/files/` is uploaded
 *    to the same path in the tenant's directory.
 * 2. A home takes them once. A marker is written when all were sent; a start that was cut off before sends them again, which
 *    is an overwrite, hence new files.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import type { Endpoints } from '#local/launcher/endpoints.ts';
import { sendFiles } from '#local/launcher/send-files.ts';
import type { TenantToRegister } from '#local/launcher/tenant-access.ts';
import { LongshoreError } from '#shared/errors.ts';
import { applyRoute } from '#shared/jobs/apply-definitions.ts';
import { type ParsedDocument, parseRouteFiles } from '#shared/routes/parse-route-files.ts';

export interface Examples {
  readonly tenants: readonly TenantToRegister[];
  applyRoutes(databaseUrl: string): Promise<void>;
  /** Uploads the sample files, each tenant's as that tenant. */
  send(endpoints: Endpoints): Promise<void>;
}

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const ACTOR = 'examples';

/** Undefined when the home has had them. @throws LongshoreError `CONFIG_INVALID` naming each fault of an example. */
export async function prepareExamples(home: string): Promise<Examples | undefined> {
  const marker = join(home, 'examples-sent');
  if (existsSync(marker)) return undefined;
  const directories = (await readdir(EXAMPLES, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const names = directories.map(({ name }) => name).filter((name) => existsSync(join(EXAMPLES, name, 'routes.yaml')));
  const documents = await readDocuments(names);
  return {
    tenants: documents.flatMap(({ document }) => (document.kind === 'tenant' ? [document] : [])),
    applyRoutes: (databaseUrl) => applyRoutes(databaseUrl, documents),
    send: async (endpoints) => {
      for (const [id, access] of Object.entries(endpoints.tenants)) {
        const directory = join(EXAMPLES, id, 'files');
        if (existsSync(directory)) await sendFiles({ ...endpoints.sftp, access, directory });
      }
      await writeFile(marker, '');
    },
  };
}

async function readDocuments(names: readonly string[]): Promise<readonly ParsedDocument[]> {
  const files = names.map(async (name) => {
    const path = join(EXAMPLES, name, 'routes.yaml');
    return { name: path, text: await readFile(path, 'utf8') };
  });
  const parsed = parseRouteFiles(await Promise.all(files));
  if (parsed.ok) return parsed.documents;
  const faults = parsed.faults.map(({ file, line, path, message }) => `${file}:${line}: ${path} ${message}`);
  throw new LongshoreError('CONFIG_INVALID', `The examples have faults:\n  ${faults.join('\n  ')}`);
}

async function applyRoutes(databaseUrl: string, documents: readonly ParsedDocument[]): Promise<void> {
  const sql = connectLauncher(databaseUrl);
  try {
    for (const { document, definitionHash } of documents) {
      if (document.kind !== 'route') continue;
      const { tenant: tenantId, name } = document;
      await applyRoute(sql, { tenantId, name, definition: document, definitionHash }, ACTOR);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}
