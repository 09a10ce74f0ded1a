import { describe, expect, it } from 'vitest';
import { parseRouteFiles } from '#shared/definitions/parse-route-files.ts';
import { findCallFaults, type StoredDefinitions } from './find-call-faults.ts';

const PARTNER = `kind: partner
tenant: acme
name: gw
baseUrl: https://api.partner.example/v1
operations:
  validate: { method: POST, path: /validation, idempotent: true }
`;

const ROUTE = `kind: route
tenant: acme
name: rfi
match: { path: 'rfi/*.csv' }
records: { format: csv, columns: [{ name: member, type: text }] }
steps:
  - parse:
  - call: { partner: gw, operation: validate, code: VALIDATION_ERROR }
  - call:
      partner: gw
      operation: verify
      code: VERIFICATION_ERROR
`;

const NOTHING: StoredDefinitions = { partners: [], routes: [] };

function faultsOf(text: string, stored: Partial<StoredDefinitions> = {}) {
  const parsed = parseRouteFiles([{ name: 'routes.yaml', text }]);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return findCallFaults(parsed.documents, { ...NOTHING, ...stored });
}

describe('a call', () => {
  it('needs its operation at the partner, in the files or among what is stored', () => {
    const place = { file: 'routes.yaml', line: 18, column: 18, path: 'steps.2.call.operation', code: 'ROUTE_INVALID' };
    expect(faultsOf(`${PARTNER}---\n${ROUTE}`)).toEqual([
      { ...place, message: 'the partner gw has no operation verify; it has validate' },
    ]);
    const stored = (operations: string[]) => ({ partners: [{ tenantId: 'acme', name: 'gw', operations }] });
    expect(faultsOf(ROUTE, stored(['validate']))).toMatchObject([{ line: 11, column: 18 }]);
    expect(faultsOf(ROUTE, stored(['validate', 'verify']))).toEqual([]);
  });

  it('needs a partner of its own tenant', () => {
    const others = { partners: [{ tenantId: 'globex', name: 'gw', operations: ['validate', 'verify'] }] };
    expect(faultsOf(ROUTE, others)).toMatchObject([
      { line: 8, column: 22, path: 'steps.1.call.partner', message: expect.stringContaining('no partner gw') },
      { line: 10, column: 16, path: 'steps.2.call.partner' },
    ]);
  });

  it('goes by the partner in the files, not by the one that it replaces', () => {
    const stored = { partners: [{ tenantId: 'acme', name: 'gw', operations: ['validate', 'verify'] }] };
    expect(faultsOf(`${ROUTE}---\n${PARTNER}`, stored)).toMatchObject([{ path: 'steps.2.call.operation' }]);
  });
});

describe('a partner', () => {
  const caller = (name: string, operation: string) => ({
    tenantId: 'acme',
    name,
    calls: [{ partner: 'gw', operation }],
  });

  it('keeps the operations that routes in force call', () => {
    expect(faultsOf(PARTNER, { routes: [caller('rfi', 'verify'), caller('other', 'validate')] })).toEqual([
      {
        file: 'routes.yaml',
        line: 6,
        column: 3,
        path: 'operations',
        code: 'ROUTE_INVALID',
        message: expect.stringContaining('the route rfi calls the operation verify'),
      },
    ]);
  });

  it('may lose one when the route is applied without it in the same files', () => {
    const route = ROUTE.slice(0, ROUTE.indexOf('  - call:\n'));
    expect(faultsOf(`${PARTNER}---\n${route}`, { routes: [caller('rfi', 'verify')] })).toEqual([]);
  });

  it('is not bound by the routes of another tenant', () => {
    expect(faultsOf(PARTNER, { routes: [{ ...caller('rfi', 'verify'), tenantId: 'globex' }] })).toEqual([]);
  });
});

describe('partner documents', () => {
  const parse = (text: string) => parseRouteFiles([{ text }]);

  it('are read with the defaults filled in, and hashed', () => {
    expect(parse(PARTNER)).toMatchObject({
      ok: true,
      documents: [
        {
          document: { kind: 'partner', auth: { type: 'none' }, timeout: 10_000, limits: { concurrency: 20 } },
          definitionHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        },
      ],
    });
  });

  it('have their faults listed with line, column and path', () => {
    const text = PARTNER.replace('idempotent: true', 'idempotent: true, body: { a: [ "{{ record.a | nonsense }}" ] }')
      .replace('name: gw', 'name: GW')
      .concat('auth: { type: static, secrt: s }\n');
    const result = parse(text);
    const faults = result.ok ? [] : result.faults;
    expect(faults.map(({ line, column, path, message }) => [line, column, path, message])).toEqual([
      [3, 7, 'name', expect.stringContaining('lower-case')],
      [6, 79, 'operations.validate.body.a.0', expect.stringContaining('nonsense')],
      [7, 7, 'auth.secret', expect.any(String)],
      [7, 23, 'auth.secrt', expect.any(String)],
    ]);
  });

  it('have names that are unique in their tenant', () => {
    expect(parse(`${PARTNER}---\n${PARTNER}`)).toMatchObject({
      ok: false,
      faults: [{ line: 8, message: 'the partner acme/gw is defined twice' }],
    });
    expect(parse(`${PARTNER}---\n${PARTNER.replace('acme', 'globex')}`)).toMatchObject({ ok: true });
  });
});
