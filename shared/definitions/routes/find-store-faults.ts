/**
 * Deliveries and the external stores that they go to, over several documents: a route, and a calendar with `holidaysFrom`, may name only a store
 * that is there and that allows its bucket, and a store must not lose a bucket that a route delivers to. Pure; what is stored already is given.
 *
 * 1. What is in the files counts, not what they replace.
 * 2. Of a key that is a template its fixed beginning is looked at; the whole key is looked at when the file is delivered.
 */

import { faultAt, type ParsedDocument, type RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { isPlaceAllowed } from '#shared/definitions/store-schema.ts';
import { deliverOptions } from '#shared/steps/deliver/options.ts';
import { everyStep, type RouteStep } from './route-steps.ts';

export interface Delivery {
  readonly route: string;
  readonly store: string;
  readonly bucket: string;
  /** With which every key begins. */
  readonly keyBeginning: string;
  /** Of the step, from the route. */
  readonly path: readonly (string | number)[];
}

interface Named {
  readonly tenantId: string;
  readonly name: string;
}

export interface StoredStores {
  readonly stores: readonly (Named & { readonly buckets: readonly string[] })[];
  /** In force. */
  readonly routes: readonly (Named & { readonly deliveries: readonly Delivery[] })[];
}

export function findStoreFaults(documents: readonly ParsedDocument[], stored: StoredStores): RouteFileFault[] {
  const buckets = new Map(stored.stores.map((store) => [keyOf(store), store.buckets]));
  const replaced = new Set<string>();
  for (const { document } of documents) {
    if (document.kind === 'tenant') continue;
    const key = keyOf({ tenantId: document.tenant, name: document.name });
    if (document.kind === 'store') buckets.set(key, document.buckets);
    if (document.kind === 'route') replaced.add(key);
  }
  const kept = stored.routes.filter((route) => !replaced.has(keyOf(route)));
  return documents.flatMap((entry) => [
    ...faultsOfRoute(entry, buckets),
    ...faultsOfCalendar(entry, buckets),
    ...faultsOfStore(entry, kept),
  ]);
}

/** To external stores, in their order; what is none is passed over, so that definitions of other versions can be asked. */
export function deliveriesIn(route: Named & { readonly steps: readonly RouteStep[] }): Delivery[] {
  return everyStep(route.steps).flatMap(({ step, path }) => {
    const parsed = deliverOptions.schema.safeParse(step.deliver);
    if (!parsed.success) return [];
    const { store, externalBucket: bucket, key } = parsed.data;
    if (store === undefined || bucket === undefined) return [];
    const [keyBeginning = ''] = key === undefined ? [`${route.tenantId}/`] : key.split(/\{[{%]/);
    return [{ route: route.name, store, bucket, keyBeginning, path }];
  });
}

function faultsOfRoute(entry: ParsedDocument, buckets: ReadonlyMap<string, readonly string[]>): RouteFileFault[] {
  const { document } = entry;
  if (document.kind !== 'route') return [];
  const { tenant: tenantId, name, steps } = document;
  return deliveriesIn({ tenantId, name, steps }).flatMap((delivery) => {
    const { store, path } = delivery;
    const allowed = buckets.get(keyOf({ tenantId, name: store }));
    if (allowed === undefined) {
      const message = `the tenant ${tenantId} has no store ${store}; define it with kind: store`;
      return [faultAt(entry, [...path, 'deliver', 'store'], message)];
    }
    if (mayBeAllowed(allowed, delivery)) return [];
    const message = `the store ${store} does not allow what this delivers; it allows ${allowed.join(', ')}`;
    return [faultAt(entry, [...path, 'deliver', 'externalBucket'], message)];
  });
}

function faultsOfCalendar(entry: ParsedDocument, buckets: ReadonlyMap<string, readonly string[]>): RouteFileFault[] {
  const { document } = entry;
  if (document.kind !== 'calendar' || document.holidaysFrom === undefined) return [];
  const { tenant: tenantId, holidaysFrom } = document;
  const { store, ...place } = holidaysFrom;
  const allowed = buckets.get(keyOf({ tenantId, name: store }));
  if (allowed === undefined) {
    const message = `the tenant ${tenantId} has no store ${store}; define it with kind: store`;
    return [faultAt(entry, ['holidaysFrom', 'store'], message)];
  }
  if (isPlaceAllowed(allowed, place)) return [];
  const message = `the store ${store} does not allow this object; it allows ${allowed.join(', ')}`;
  return [faultAt(entry, ['holidaysFrom', 'key'], message)];
}

function faultsOfStore(entry: ParsedDocument, kept: StoredStores['routes']): RouteFileFault[] {
  const { document } = entry;
  if (document.kind !== 'store') return [];
  return kept
    .filter(({ tenantId }) => tenantId === document.tenant)
    .flatMap(({ deliveries }) => deliveries)
    .filter((delivery) => delivery.store === document.name && !mayBeAllowed(document.buckets, delivery))
    .map(({ route, bucket, keyBeginning }) => {
      const place = `${bucket}/${keyBeginning}`;
      const message = `the route ${route} delivers to ${place}; keep it, or apply the route without it in the same files`;
      return faultAt(entry, ['buckets'], message);
    });
}

function mayBeAllowed(places: readonly string[], { bucket, keyBeginning }: Delivery): boolean {
  return places.some((place) => {
    const [allowed, ...rest] = place.split('/');
    const prefix = rest.join('/');
    return allowed === bucket && (prefix.startsWith(keyBeginning) || keyBeginning.startsWith(prefix));
  });
}

function keyOf({ tenantId, name }: Named): string {
  return `${tenantId}/${name}`;
}
