/** The examples do what their README says, step by step on a real object store. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import { type CompiledRoute, compileRoute } from '#shared/definitions/routes/compile-route.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { STEP_OPTIONS } from '#shared/steps/options-registry.ts';
import { STEP_KINDS } from '#shared/steps/registry.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { fileToMatch } from '#testkit/seeds/file-to-match.ts';

const EXAMPLES = import.meta.dirname;
let bench: StepBench;

beforeAll(async () => {
  bench = await startStepBench();
});

afterAll(async () => {
  await bench?.stop();
});

async function routesOf(tenant: string): Promise<CompiledRoute[]> {
  const name = join(EXAMPLES, tenant, 'routes.yaml');
  const parsed = parseRouteFiles([{ name, text: await readFile(name, 'utf8') }]);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.documents.flatMap(({ document }) => (document.kind === 'route' ? [compileRoute(document)] : []));
}

async function filesOf(tenant: string): Promise<{ path: string; bytes: Buffer }[]> {
  const root = join(EXAMPLES, tenant, 'files');
  const entries = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return await Promise.all(
    entries.map(async ({ parentPath, name }) => {
      const source = join(parentPath, name);
      return { path: relative(root, source), bytes: await readFile(source) };
    }),
  );
}

/** The key of the delivery, or the cause of the failure. */
async function walk(route: CompiledRoute, landed: ObjectLocation): Promise<string> {
  let object = landed;
  const outputs: Record<string, Record<string, unknown>> = {};
  for (const { kind, options } of route.steps) {
    // Record routes have their own test.
    if (kind === 'parse') return 'its records';
    const step = STEP_KINDS.get(kind);
    const described = STEP_OPTIONS.find((candidate) => candidate.kind === kind);
    if (step === undefined || described === undefined) throw new Error(`no step ${kind}`);
    const jobId = `${route.name}-${landed.versionId}`;
    const outcome = await runStep(bench, {
      ...{ step, kind: described, options, object, key: landed.key, outputs, jobId },
      issueReceipt: async () => ({ seq: 1, jws: 'signed', hash: 'of it' }),
    });
    if (outcome.type !== 'succeeded')
      return outcome.type === 'failed' ? `${outcome.code} ${outcome.cause}` : outcome.type;
    outputs[kind] = { ...outcome.output };
    object = outcome.object ?? object;
  }
  return String(outputs.deliver?.key);
}

async function becomes(tenant: string): Promise<Record<string, string[]>> {
  const routes = await routesOf(tenant);
  const files = await filesOf(tenant);
  const landed = new Map<string, ObjectLocation>();
  for (const { path, bytes } of files) landed.set(path, await bench.land(path, bytes, tenant));
  const ends = files.map(async ({ path, bytes }) => {
    const takers = routes.filter(
      (route) => route.refuses(fileToMatch(path, bytes.length)) === undefined && !route.isCompanion(path),
    );
    const object = landed.get(path) as ObjectLocation;
    return [path, await Promise.all(takers.map((route) => walk(route, object)))] as const;
  });
  return Object.fromEntries(await Promise.all(ends));
}

it('acme: orders go two ways, a wrong header fails, a released contract goes on, and one file finds no route', async () => {
  expect(await becomes('acme')).toEqual({
    'inbound/orders/orders-week-01.csv': [
      'acme/orders/2026-01-02/orders-week-01.ndjson',
      'acme/audit/2026/orders-week-01.csv',
    ],
    'inbound/orders/orders-week-02.csv': [
      'acme/orders/2026-01-02/orders-week-02.ndjson',
      'acme/audit/2026/orders-week-02.csv',
    ],
    'inbound/orders/orders-from-the-old-shop.csv': ['VALIDATION_ERROR CSV_DELIMITER'],
    'inbound/documents/delivery terms.txt': ['acme/inbound/documents/delivery terms.txt'],
    'inbound/contracts/framework agreement.txt': ['acme/inbound/contracts/framework agreement.txt'],
    'inbound/catalogue/products.xml': ['acme/catalogue/products.csv'],
    'inbound/shifts/shifts-north.csv': ['acme/shifts/shifts-north.csv'],
    'inbound/shifts/shifts-south.csv': ['acme/shifts/shifts-south.csv'],
    'inbound/shifts/week-01.manifest': [],
    'misc/note-to-self.txt': [],
  });
});

it('globex-bank: a statement is checked and unpacked, one with a wrong checksum fails, payments pass', async () => {
  expect(await becomes('globex-bank')).toEqual({
    'statements/statement-2026-01-31.csv.gz': ['globex-bank/statements/2026-01-31-statement.csv'],
    'statements/statement-2026-01-31.csv.gz.sha256': [],
    'statements/statement-2026-02-28.csv.gz': ['VALIDATION_ERROR CHECKSUM_MISMATCH'],
    'statements/statement-2026-02-28.csv.gz.sha256': [],
    'payments/payment-0001.xml': ['globex-bank/payments/payment-0001.xml'],
    'payments/payment-0002.xml': ['globex-bank/payments/payment-0002.xml'],
    'payments/payment-0003.xml': ['globex-bank/payments/payment-0003.xml'],
    'rfi/rfi-2026-01-31.dat': ['its records'],
  });
});

it('says in README what becomes of each file', async () => {
  const readme = await readFile(join(EXAMPLES, 'README.md'), 'utf8');
  for (const tenant of ['acme', 'globex-bank']) {
    const carried = (await filesOf(tenant)).filter(
      ({ path }) => !path.endsWith('.sha256') && !path.includes('payment-'),
    );
    for (const { path } of carried) expect(readme).toContain(path);
  }
});
