/** The RFI file of globex-bank is what its generator makes, and its records end as `examples/README.md` says, at the partner's own gateway. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { expect, test } from 'vitest';
import { startGateway } from '#local/gateway/start-gateway.ts';
import { openHome } from '#local/home.ts';
import {
  ensurePartnerAccess,
  gatewayVariables,
  partnerClientsFile,
  secretsDirectory,
} from '#local/launcher/partner-access.ts';
import { readIdentityClients } from '#local/partner-simulator/config.ts';
import { loadAuthorizerConfig } from '#services/authorizer/config.ts';
import { createAuthorizer } from '#services/authorizer/create-authorizer.ts';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import { type CompiledRoute, compileRoute } from '#shared/definitions/routes/compile-route.ts';
import { readRecords } from '#shared/formats/records/read-records.ts';
import type { RecordItem } from '#shared/formats/records/record-item.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createPartnerCaller, type PartnerCaller } from '#shared/partners/call-partner.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';
import { startTestPartner } from '#testkit/beds/partner-simulator-bed.ts';
import { makeRfiFile, RFI_FILE } from './globex-bank/make-rfi-file.ts';

const DEFINITIONS = join(import.meta.dirname, 'globex-bank');

type Row = Extract<RecordItem, { type: 'row' }>;

async function readDefinitions(gatewayUrl: string) {
  const texts = ['routes.yaml', 'partners.yaml'].map((name) => readFile(join(DEFINITIONS, name), 'utf8'));
  const files = (await Promise.all(texts)).map((text) => ({
    text: text.replaceAll('http://127.0.0.1:8088', gatewayUrl),
  }));
  const parsed = parseRouteFiles(files);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  const documents = parsed.documents.map(({ document }) => document);
  const partner = documents.find((document) => document.kind === 'partner');
  const routes = documents.flatMap((document) => (document.kind === 'route' ? [compileRoute(document)] : []));
  const route = routes.find(({ name }) => name === 'rfi');
  if (partner === undefined || route?.records === undefined) throw new Error('the RFI example is not whole');
  return { partner, route, records: route.records };
}

/** A partner behind its gateway, as `npm start` runs them. */
async function startPartner() {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-rfi-'));
  const home = await openHome(directory);
  await ensurePartnerAccess(home);
  const partner = await startTestPartner({ clients: readIdentityClients(partnerClientsFile(home)) });
  const logger = createLogger({ service: 'gateway', destination: { write: () => {} } });
  const variables = gatewayVariables(partner.simulator.url);
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    backend: new URL(partner.simulator.url),
    open: [variables.LONGSHORE_GATEWAY_OPEN ?? ''],
    authorize: createAuthorizer(loadAuthorizerConfig(variables), { logger }),
    logger,
  });
  return {
    gateway,
    simulator: partner.simulator,
    secrets: secretsOfTenant(createFileSecretStore(secretsDirectory(home)), 'globex-bank'),
    async stop() {
      await gateway.stop();
      await partner.stop();
      home.release();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function readExample(records: NonNullable<CompiledRoute['records']>): Promise<RecordItem[]> {
  const items: RecordItem[] = [];
  const bytes = await readFile(RFI_FILE);
  const source = (async function* () {
    yield bytes;
  })();
  for await (const item of readRecords(source, records)) items.push(item);
  return items;
}

/** Call after call, each repeated as often as the route sweeps; the code of the call at which it ends. */
async function walk(row: Row, route: CompiledRoute, caller: PartnerCaller): Promise<string> {
  const replies: Record<string, Readonly<Record<string, unknown>>> = {};
  for (const { name, operation, code } of route.calls) {
    let isDone = false;
    for (let tries = 0; tries <= route.maxSweeps && !isDone; tries += 1) {
      const values = { record: row.values, replies, meta: {} };
      const outcome = await caller.call({ operation, values, requestId: `${row.line}-${name}-${tries}` });
      if (outcome.type === 'success') {
        replies[name] = outcome.output;
        isDone = true;
      } else if (outcome.type === 'failed' && outcome.isFinal) {
        return `${code} ${outcome.cause}`;
      } else if (outcome.type === 'failed' || outcome.type === 'retryable') {
        if (tries === route.maxSweeps) return `${code} ${outcome.cause}`;
      } else throw new Error(`the call came to ${outcome.type}`);
    }
  }
  return 'SUCCESS';
}

test('the RFI file is what its generator makes of the layout', async () => {
  expect((await readFile(RFI_FILE)).equals(makeRfiFile())).toBe(true);
});

test('of its thousand rows five cannot be read, each for a reason of its own, and its control totals are right', async () => {
  const { records } = await readDefinitions('http://127.0.0.1:8088');
  const items = await readExample(records);
  expect(items.flatMap((item) => (item.type === 'rejected' ? [[item.line, item.code, item.column]] : []))).toEqual([
    [58, 'COLUMN_DATE', 'due'],
    [289, 'COLUMN_PATTERN', 'isin'],
    [504, 'COLUMN_REQUIRED', 'holder'],
    [717, 'FIXED_ZONED', 'rate'],
    [905, 'COLUMN_RANGE', 'coupon'],
  ]);
  expect(items.at(-1)).toMatchObject({
    type: 'summary',
    records: 1_000,
    accepted: 995,
    totals: [{ isCompared: true }],
  });
  const numbers = items.flatMap((item) => (item.type === 'row' ? [item.values.rfi] : []));
  expect(numbers.length - new Set(numbers).size).toBe(1);
});

test('at the partner some fail for good at each API, and some recover', async () => {
  const partner = await startPartner();
  try {
    const { partner: definition, route, records } = await readDefinitions(partner.gateway.url);
    const caller = createPartnerCaller({
      definition: { ...definition, timeout: 3_000, limits: { concurrency: 50 } },
      secrets: partner.secrets,
      addressGuard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
    });
    const rows = (await readExample(records)).filter((item): item is Row => item.type === 'row');
    // Rows without a remark are alike; some of them are enough.
    const asked = rows.filter(({ values, line }) => values.remark !== null || line % 20 === 0);
    const limit = pLimit(8);
    const ends = await Promise.all(asked.map((row) => limit(() => walk(row, route, caller))));
    caller.close();
    const counts = new Map<string, number>();
    for (const end of ends) counts.set(end, (counts.get(end) ?? 0) + 1);
    expect(Object.fromEntries([...counts].filter(([end]) => end !== 'SUCCESS'))).toEqual({
      'VALIDATION_ERROR BUSINESS_REJECTION': 3,
      'VALIDATION_ERROR HTTP_500': 1,
      'ASSIGNMENTS_ERROR BUSINESS_REJECTION': 2,
      'ASSIGNMENTS_ERROR HTTP_429': 1,
      'VERIFICATION_ERROR BUSINESS_REJECTION': 2,
      'VERIFICATION_ERROR PARTNER_REPLY_INVALID': 1,
    });
    const faulty = partner.simulator.ledger.calls.filter(({ fault }) => fault !== undefined);
    expect(new Set(faulty.map(({ record }) => record)).size).toBe(22);
    expect(counts.get('SUCCESS')).toBe(asked.length - 10);
  } finally {
    await partner.stop();
  }
});
