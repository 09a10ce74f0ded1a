/** Paths into JSON, such as `assignments.0.id`: own properties only, so that no reply reaches a prototype. */
import { ExactNumber } from './exact-json.ts';

const PATH = /^[A-Za-z0-9_$-]{1,64}(?:\.[A-Za-z0-9_$-]{1,64}){0,9}$/;

export function isValuePath(text: string): boolean {
  return PATH.test(text);
}

/** Undefined when there is nothing at `path`. */
export function readPath(value: unknown, path: string): unknown {
  let at: unknown = value;
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[name];
  }
  return at;
}

export type Scalar = string | number | boolean | null | ExactNumber;

export function isScalar(value: unknown): value is Scalar {
  return value === null || value instanceof ExactNumber || ['string', 'number', 'boolean'].includes(typeof value);
}
