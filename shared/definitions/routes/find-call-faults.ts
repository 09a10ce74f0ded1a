/**
 * Calls and what they call, over several documents: a route may name only operations that are there, and a partner must not lose one
 * that a route names. Pure; what is stored already is given.
 *
 * 1. What is in the files counts, not what they replace.
 */

import { faultAt, type ParsedDocument, type RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import type { PartnerDocument } from '#shared/definitions/partner-schema.ts';
import { type CallOptions, callOptions } from '#shared/steps/call/options.ts';
import { enrichOptions } from '#shared/steps/enrich/options.ts';
import { postOptions } from '#shared/steps/post/options.ts';
import { everyStep, type RouteStep } from './route-steps.ts';

export interface StoredPartner {
  readonly tenantId: string;
  readonly name: string;
  readonly operations: readonly string[];
}

/** A route in force. */
export interface StoredCaller {
  readonly tenantId: string;
  readonly name: string;
  readonly calls: readonly Pick<CallOptions, 'partner' | 'operation'>[];
}

export interface StoredDefinitions {
  readonly partners: readonly StoredPartner[];
  readonly routes: readonly StoredCaller[];
}

export function findCallFaults(documents: readonly ParsedDocument[], stored: StoredDefinitions): RouteFileFault[] {
  const operations = new Map(stored.partners.map((partner) => [keyOf(partner), partner.operations]));
  for (const { document } of documents) {
    if (document.kind === 'partner') operations.set(keyOfDocument(document), Object.keys(document.operations));
  }
  const replaced = new Set(
    documents.flatMap(({ document }) => (document.kind === 'route' ? [keyOfDocument(document)] : [])),
  );
  const callers = stored.routes.filter((route) => !replaced.has(keyOf(route)));
  return documents.flatMap((entry) => {
    if (entry.document.kind === 'route') return faultsOfCalls(entry, operations);
    return entry.document.kind === 'partner' ? faultsOfPartner(entry, entry.document, callers) : [];
  });
}

/** The calls of a route, in their order; what is none is passed over, so that definitions of other versions can be asked. */
export function callsIn(steps: readonly RouteStep[]): CallInRoute[] {
  return everyStep(steps).flatMap(({ step, path }) =>
    [callOptions, postOptions, enrichOptions].flatMap(({ kind, schema }) => {
      const parsed = schema.safeParse(step[kind]);
      return parsed.success && 'partner' in parsed.data ? [{ call: parsed.data, path: [...path, kind] }] : [];
    }),
  );
}

interface CallInRoute {
  readonly call: StoredCaller['calls'][number];
  /** From the route. */
  readonly path: readonly (string | number)[];
}

function faultsOfCalls(entry: ParsedDocument, operations: ReadonlyMap<string, readonly string[]>): RouteFileFault[] {
  const { document } = entry;
  if (document.kind !== 'route') return [];
  return callsIn(document.steps).flatMap(({ call: { partner, operation }, path }) => {
    const known = operations.get(keyOf({ tenantId: document.tenant, name: partner }));
    if (known === undefined) {
      const message = `the tenant ${document.tenant} has no partner ${partner}; define it with kind: partner`;
      return [faultAt(entry, [...path, 'partner'], message)];
    }
    if (known.includes(operation)) return [];
    const message = `the partner ${partner} has no operation ${operation}; it has ${known.join(', ')}`;
    return [faultAt(entry, [...path, 'operation'], message)];
  });
}

function faultsOfPartner(
  entry: ParsedDocument,
  { tenant, name, operations }: PartnerDocument,
  callers: readonly StoredCaller[],
): RouteFileFault[] {
  const missing = callers
    .filter(({ tenantId }) => tenantId === tenant)
    .flatMap((route) => route.calls.map((call) => ({ route: route.name, ...call })))
    .filter(({ partner, operation }) => partner === name && !Object.hasOwn(operations, operation));
  return missing.map(({ route, operation }) =>
    faultAt(
      entry,
      ['operations'],
      `the route ${route} calls the operation ${operation}; keep it, or apply the route without it in the same files`,
    ),
  );
}

function keyOf({ tenantId, name }: { readonly tenantId: string; readonly name: string }): string {
  return `${tenantId}/${name}`;
}

function keyOfDocument({ tenant, name }: { readonly tenant: string; readonly name: string }): string {
  return keyOf({ tenantId: tenant, name });
}
