/** Rows for tests of transitions: a tenant with a route, settled files, routed jobs. */
import { randomUUID, randomUUIDv7 } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyRoute } from '#shared/definitions/apply-definitions.ts';
import { applyTenants } from '#shared/definitions/apply-tenants.ts';
import { loadRoutingInput } from '#shared/definitions/load-routing-input.ts';
import { type ArrivedObject, registerFiles } from '#shared/jobs/register-files.ts';
import { routeFiles, type WokenJob } from '#shared/jobs/route-files.ts';

export const TEST_TENANT = 'acme';

/** A tenant and `routes` routes of one `deliver` step each. */
export async function seedTenant(sql: Sql, options: { tenantId?: string; routes?: number } = {}): Promise<void> {
  const tenantId = options.tenantId ?? TEST_TENANT;
  const tenant = { id: tenantId, name: tenantId, timeZone: 'UTC', homeRegion: null, ignoreGlobs: ['*.tmp'] };
  await applyTenants(sql, [tenant], 'test');
  for (let index = 0; index < (options.routes ?? 1); index += 1) {
    const name = `route-${index}`;
    await applyRoute(sql, { tenantId, name, definition: { name }, definitionHash: name }, 'test');
  }
}

export function arrivedObject(overrides: Partial<ArrivedObject> = {}): ArrivedObject {
  const tenantId = overrides.tenantId ?? TEST_TENANT;
  const name = `${randomUUID()}.csv`;
  return {
    id: randomUUID(),
    tenantId,
    bucket: 'test-landing',
    key: `${tenantId}/inbound/${name}`,
    versionId: randomUUID(),
    name,
    sizeBytes: 1_000,
    etag: `"${randomUUID()}"`,
    source: 's3',
    uploadedAt: '2026-01-02T03:04:05Z',
    orderKey: `${tenantId}/inbound`,
    status: 'QUEUED',
    ...overrides,
  };
}

export interface SeedJobsOptions {
  readonly count?: number;
  readonly isOrdered?: boolean;
  readonly headFailure?: 'block' | 'skip';
  readonly stepCount?: number;
  readonly maxAttempts?: number;
  readonly isLarge?: boolean;
  readonly window?: number;
  readonly tenantId?: string;
  /** What arrived, `count` of it invented when absent. */
  readonly objects?: readonly Partial<ArrivedObject>[];
  /** Of an ordered route. */
  readonly settleMs?: number;
}

/** Registers and routes files on every route of the tenant. Resolves to the jobs let into their queue. */
export async function seedJobs(sql: Sql, options: SeedJobsOptions = {}): Promise<WokenJob[]> {
  const tenant = options.tenantId === undefined ? {} : { tenantId: options.tenantId };
  const wanted = options.objects ?? Array.from({ length: options.count ?? 1 }, () => ({}));
  const objects = wanted.map((object) => arrivedObject({ ...tenant, ...object }));
  const { files } = await registerFiles(sql, objects, 'test');
  const inputs = await loadRoutingInput(
    sql,
    files.map((file) => file.id),
  );
  return await routeFiles(
    sql,
    inputs.map((input) => ({
      fileId: input.fileId,
      isLarge: options.isLarge ?? false,
      jobs: input.routes.map((route) => ({
        id: randomUUIDv7(),
        routeId: route.routeId,
        routeVersionId: route.routeVersionId,
        lane: 'standard' as const,
        queue: 'partner-steps' as const,
        stepKind: 'deliver',
        stepCount: options.stepCount ?? 1,
        maxAttempts: options.maxAttempts ?? 3,
        isOrdered: options.isOrdered ?? false,
        headFailure: options.headFailure ?? ('block' as const),
      })),
    })),
    'test',
    { settleMs: options.settleMs ?? 0, ...(options.window !== undefined && { window: options.window }) },
  );
}
