/**
 * Compiled routes by version. A version never changes, so what was read once is kept, within a bound.
 *
 * 1. A version that is gone or cannot be compiled is a value: its jobs fail with a clear code, the worker goes on.
 * 2. Jobs that ask for the same version side by side share one read; a read that failed is not kept.
 */
import { LongshoreError } from '#shared/errors.ts';
import { type CompiledRoute, compileRoute } from '#shared/routes/compile-route.ts';

export type FoundRoute =
  | { readonly ok: true; readonly route: CompiledRoute }
  | { readonly ok: false; readonly cause: 'ROUTE_VERSION_UNKNOWN' | 'ROUTE_INVALID'; readonly message: string };

export interface RouteCacheOptions {
  /** Resolves to the stored definition, undefined when the version is unknown. */
  readonly load: (routeVersionId: string) => Promise<unknown | undefined>;
  /** Default 1,000 versions, the longest unused go first. */
  readonly maxRoutes?: number;
}

export class RouteCache {
  readonly #options: RouteCacheOptions;
  readonly #routes = new Map<string, Promise<FoundRoute>>();

  constructor(options: RouteCacheOptions) {
    this.#options = options;
  }

  /** @throws what `load` throws. */
  async find(routeVersionId: string): Promise<FoundRoute> {
    const found = this.#routes.get(routeVersionId) ?? this.#read(routeVersionId);
    // Re-inserted, so that the map stays in the order of use.
    this.#routes.delete(routeVersionId);
    this.#routes.set(routeVersionId, found);
    this.#trim();
    try {
      return await found;
    } catch (error) {
      if (this.#routes.get(routeVersionId) === found) this.#routes.delete(routeVersionId);
      throw error;
    }
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
      return { ok: false, cause: 'ROUTE_INVALID', message: error.message };
    }
  }

  #trim(): void {
    for (const oldest of this.#routes.keys()) {
      if (this.#routes.size <= (this.#options.maxRoutes ?? 1_000)) return;
      this.#routes.delete(oldest);
    }
  }
}
