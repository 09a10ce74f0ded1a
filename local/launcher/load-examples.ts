/**
 * The examples of a new home: their tenants, partners and routes, and sample files sent through the front door.
 *
 * 1. `examples/<tenant>/routes.yaml` says what is done with the files, `partners.yaml` next to it whom their records are shown to; what
 *    is under `examples/<tenant>/files/` is uploaded to the same path in the tenant's directory.
 * 2. A home takes them once. A marker is written when all were sent; a start that was cut off before sends them again, which
 *    is an overwrite, hence new files.
 * 3. Partners are written with the gateway's address of the default ports, so that they can be applied by hand as they are; with other
 *    ports its own address takes that place. So do the ports of remotes and databases, and the host key of this home's file server. A home that
 *    is started with other ports than before has them changed, in those definitions that nobody else has changed.
 * 4. `examples/<tenant>/partner-files/` is what that partner's own server has. One pull is asked for that succeeds, and one that does not.
 * 5. `examples/globex-bank/campaign/` is sent once after the files; one that fails is reported, and not sent again.
 * 6. The start waits for none of it: files are sent, and the database to load into is made, once the fleet is ready.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ssh2 from 'ssh2';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import type { Endpoints } from '#local/launcher/endpoints.ts';
import { CONTENT_TENANT, makeContentExamples } from '#local/launcher/example-content.ts';
import { createExampleWarehouse } from '#local/launcher/example-warehouse.ts';
import { partnerFilesKeys } from '#local/launcher/partner-access.ts';
import { sendExampleCampaign } from '#local/launcher/send-example-campaign.ts';
import { sendFiles } from '#local/launcher/send-files.ts';
import type { TenantToRegister } from '#local/launcher/tenant-access.ts';
import { portsFrom } from '#local/ports.ts';
import { loadOrCreateHostKey } from '#local/sftp/make-ssh-key.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { type ParsedDocument, parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import { findCallFaults } from '#shared/definitions/routes/find-call-faults.ts';
import { LongshoreError } from '#shared/errors.ts';

export interface Examples {
  readonly tenants: readonly TenantToRegister[];
  /** Partners and stores first: routes name them. */
  applyDefinitions(databaseUrl: string): Promise<void>;
  /** Uploads the sample files, each tenant's as that tenant; then its campaign is sent, and reported in a line. */
  send(endpoints: Endpoints, print: (line: string) => void): Promise<void>;
}

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const DEFINITIONS = ['routes.yaml', 'partners.yaml', 'expectations.yaml', 'senders.yaml'];
/** With whose ports the examples are written. */
const DEFAULT_BASE = 8_080;
/** In place of the host key of this home's file server. */
const EXAMPLE_HOST_KEY = `SHA256:${'A'.repeat(43)}`;
const EXAMPLE_PULL = { tenant_id: 'fsa', project: 'FLPIDS-NATS', pipeline: 'FLPIDS_ODS' };
const EXAMPLE_PULLS = [
  { ...EXAMPLE_PULL, remote: 'fsa-ftps', remote_path: '/s_dart_cert/plas/in/mo.moyr540.data' },
  // Its password is wrong: it ends in ERROR, and the file stays where it is.
  { ...EXAMPLE_PULL, remote: 'fsa-ftps-old-password', remote_path: '/s_dart_cert/plas/in/mo.moyr541.data' },
];
const ACTOR = 'examples';

/** Undefined when the home has had them, with these ports. @throws LongshoreError `CONFIG_INVALID` naming each fault of an example. */
export async function prepareExamples(home: string, portBase = DEFAULT_BASE): Promise<Examples | undefined> {
  const marker = join(home, 'examples-sent');
  const sentWith = existsSync(marker) ? Number(await readFile(marker, 'utf8')) || DEFAULT_BASE : undefined;
  if (sentWith === portBase) return undefined;
  const directories = (await readdir(EXAMPLES, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const paths = directories
    .flatMap(({ name }) => DEFINITIONS.map((definition) => join(EXAMPLES, name, definition)))
    .filter((path) => existsSync(path));
  const documents = await readDocuments(paths, (text) => placed(text, home, portBase));
  const note = () => writeFile(marker, `${portBase}\n`, { mode: 0o600 });
  if (sentWith !== undefined) {
    const before = await readDocuments(paths, (text) => placed(text, home, sentWith));
    return {
      tenants: [],
      async applyDefinitions(databaseUrl) {
        await applyDefinitions(databaseUrl, documents, before);
        await note();
      },
      async send() {},
    };
  }
  return {
    tenants: documents.flatMap(({ document }) => (document.kind === 'tenant' ? [document] : [])),
    applyDefinitions: async (databaseUrl) => {
      for (const { name } of directories) {
        const atPartner = join(EXAMPLES, name, 'partner-files');
        if (existsSync(atPartner)) await cp(atPartner, join(home, 'data', 'partner-files'), { recursive: true });
      }
      await applyDefinitions(databaseUrl, documents);
    },
    send: async (endpoints, print) => {
      await createExampleWarehouse(endpoints.postgres, join(home, 'keys'));
      for (const [id, access] of Object.entries(endpoints.tenants)) {
        const directory = join(EXAMPLES, id, 'files');
        if (existsSync(directory)) await sendFiles({ ...endpoints.sftp, access, directory });
      }
      const access = endpoints.tenants[CONTENT_TENANT];
      if (access !== undefined)
        await sendFiles({ ...endpoints.sftp, access, directory: await makeContentExamples(home) });
      await requestExamplePulls(endpoints.postgres);
      await note();
      const sentence = await sendExampleCampaign(endpoints, join(EXAMPLES, 'globex-bank', 'campaign'));
      if (sentence !== undefined) print(sentence);
    },
  };
}

function placed(text: string, home: string, portBase: number): string {
  const ports = portsFrom(portBase);
  const defaults = portsFrom(DEFAULT_BASE);
  const withPorts = (['partner-files-sftp', 'partner-files-ftps', 'postgres'] as const).reduce(
    (changed, name) => changed.replaceAll(`port: ${defaults[name]}\n`, `port: ${ports[name]}\n`),
    text.replaceAll(`http://127.0.0.1:${defaults.gateway}`, `http://127.0.0.1:${ports.gateway}`),
  );
  if (!withPorts.includes(EXAMPLE_HOST_KEY)) return withPorts;
  const hostKey = loadOrCreateHostKey(join(partnerFilesKeys({ keys: join(home, 'keys') }), 'host_ed25519'));
  return withPorts.replaceAll(EXAMPLE_HOST_KEY, fingerprintOf(hostKey));
}

function fingerprintOf(hostKey: string): string {
  const key = ssh2.utils.parseKey(hostKey);
  if (key instanceof Error) throw key;
  const [parsed] = [key].flat();
  const digest = createHash('sha256')
    .update(parsed?.getPublicSSH() ?? '')
    .digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}

async function requestExamplePulls(databaseUrl: string): Promise<void> {
  const sql = connectLauncher(databaseUrl);
  try {
    // As anybody may put rows in: the clock finds them.
    for (const pull of EXAMPLE_PULLS) await sql`INSERT INTO pulls ${sql(pull)}`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function readDocuments(
  paths: readonly string[],
  place: (text: string) => string,
): Promise<readonly ParsedDocument[]> {
  const files = paths.map(async (path) => {
    const text = await readFile(path, 'utf8');
    return { name: path, text: place(text) };
  });
  const parsed = parseRouteFiles(await Promise.all(files));
  const found = parsed.ok ? findCallFaults(parsed.documents, { partners: [], routes: [] }) : parsed.faults;
  if (parsed.ok && found.length === 0) return parsed.documents;
  const faults = found.map(({ file, line, path, message }) => `${file}:${line}: ${path} ${message}`);
  throw new LongshoreError('CONFIG_INVALID', `The examples have faults:\n  ${faults.join('\n  ')}`);
}

/** `before`: of the same files; only what is in force as it was there is changed. */
async function applyDefinitions(
  databaseUrl: string,
  documents: readonly ParsedDocument[],
  before?: readonly ParsedDocument[],
): Promise<void> {
  const sql = connectLauncher(databaseUrl);
  try {
    const inForce = before === undefined ? undefined : await hashesInForce(sql);
    const changes = documents.filter(
      ({ definitionHash }, index) =>
        inForce === undefined ||
        (before?.[index]?.definitionHash !== definitionHash && inForce.has(before?.[index]?.definitionHash ?? '')),
    );
    const owned = changes.flatMap(({ document, ...entry }) =>
      document.kind === 'tenant' ? [] : [{ ...entry, document }],
    );
    const inOrder = [
      ...owned.filter(({ document }) => document.kind !== 'route'),
      ...owned.filter(({ document }) => document.kind === 'route'),
    ];
    for (const { document, definitionHash, source } of inOrder) {
      const { kind, tenant: tenantId, name } = document;
      const notify = 'notify' in document ? document.notify : [];
      await applyDefinition(sql, kind, { tenantId, name, definition: document, definitionHash, source, notify }, ACTOR);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Of the kinds that name ports. */
async function hashesInForce(sql: ReturnType<typeof connectLauncher>): Promise<ReadonlySet<string>> {
  const rows = await sql<{ hash: string }[]>`
    SELECT definition_hash AS hash FROM partners WHERE removed_at IS NULL
    UNION ALL SELECT definition_hash FROM remotes WHERE removed_at IS NULL
    UNION ALL SELECT definition_hash FROM databases WHERE removed_at IS NULL`;
  return new Set(rows.map(({ hash }) => hash));
}
