/**
 * Compiled routes by version. A version never changes, so what was read once is kept, within a bound.
 *
 * 1. A version that is gone or cannot be compiled is a value: its jobs fail with a clear code, the worker continues. It is kept for a few
 *    seconds only.
 * 2. Jobs that ask for the same version side by side share one read; a read that failed is not kept.
 */

import { type CompiledRoute, compileRoute, pathsTakenBy } from '#shared/definitions/routes/compile-route.ts';
import { LongshoreError } from '#shared/errors.ts';

export type FoundRoute =
  | { readonly ok: true; readonly route: CompiledRoute }
  | {
      readonly ok: false;
      readonly cause: 'ROUTE_VERSION_UNKNOWN' | 'ROUTE_INVALID';
      readonly message: string;
      /** As of a compiled route, where that much of the definition can be read. */
      readonly takesPath?: ((relativePath: string) => boolean) | undefined;
    };

export interface RouteCacheOptions {
  /** Resolves to the stored definition, undefined when the version is unknown. */
  readonly load: (routeVersionId: string) => Promise<unknown | undefined>;
  /** Default 1,000 versions, the longest unused go first. */
  readonly maxRoutes?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** So that a flood of jobs of a bad version is not a flood of reads. */
const REFUSED_FOR_MS = 5_000;

interface Kept {
  readonly found: Promise<FoundRoute>;
  /** Set once it is known that the version cannot be used. */
  refusedAtMs?: number;
}

export class RouteCache {
  readonly #options: RouteCacheOptions;
  readonly #routes = new Map<string, Kept>();
  readonly #now: () => number;

  constructor(options: RouteCacheOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @throws what `load` throws. */
  async find(routeVersionId: string): Promise<FoundRoute> {
    const kept = this.#kept(routeVersionId) ?? { found: this.#read(routeVersionId) };
    // Re-inserted, so that the map stays in the order of use.
    this.#routes.delete(routeVersionId);
    this.#routes.set(routeVersionId, kept);
    this.#trim();
    try {
      const found = await kept.found;
      if (!found.ok) kept.refusedAtMs ??= this.#now();
      return found;
    } catch (error) {
      if (this.#routes.get(routeVersionId) === kept) this.#routes.delete(routeVersionId);
      throw error;
    }
  }

  #kept(routeVersionId: string): Kept | undefined {
    const kept = this.#routes.get(routeVersionId);
    if (kept?.refusedAtMs !== undefined && this.#now() - kept.refusedAtMs >= REFUSED_FOR_MS) return undefined;
    return kept;
  }

  async #read(routeVersionId: string): Promise<FoundRoute> {
    const definition = await this.#options.load(routeVersionId);
    if (definition === undefined) {
      const message = `The route version ${routeVersionId} of the job is not in the database.`;
      return { ok: false, cause: 'ROUTE_VERSION_UNKNOWN', message };
    }
    try {
      return { ok: true, route: compileRoute(definition) };
    } catch (error) {
      if (!(error instanceof LongshoreError)) throw error;
      return { ok: false, cause: 'ROUTE_INVALID', message: error.message, takesPath: pathsTakenBy(definition) };
    }
  }

  #trim(): void {
    for (const oldest of this.#routes.keys()) {
      if (this.#routes.size <= (this.#options.maxRoutes ?? 1_000)) return;
      this.#routes.delete(oldest);
    }
  }
}
