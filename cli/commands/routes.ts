/** `longshore routes`, `partners`, `stores`, `tenants` and `queues`. */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';

const routeSchema = z.looseObject({
  customer_id: z.string(),
  name: z.string(),
  version: z.number(),
  applied_by: z.string(),
  applied_at: z.string(),
  disabled_at: z.string().nullable(),
});
const routePageSchema = z.object({ routes: z.array(routeSchema), next_cursor: z.string().nullable() });
const routeDetailSchema = routeSchema.extend({
  definition: z.record(z.string(), z.unknown()),
  versions: z.array(z.looseObject({ version: z.number(), applied_at: z.string(), applied_by: z.string() })),
});

const partnerPageSchema = z.object({
  partners: z.array(
    z.looseObject({
      customer_id: z.string(),
      name: z.string(),
      version: z.number(),
      applied_by: z.string(),
      applied_at: z.string(),
      definition: z.looseObject({ baseUrl: z.string().optional() }),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const storePageSchema = z.object({
  stores: z.array(
    z.looseObject({
      customer_id: z.string(),
      name: z.string(),
      version: z.number(),
      applied_by: z.string(),
      applied_at: z.string(),
      definition: z.looseObject({ endpoint: z.string().optional(), region: z.string().optional() }),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const tenantsSchema = z.object({
  tenants: z.array(
    z.looseObject({ tenant: z.string(), name: z.string(), time_zone: z.string(), created_at: z.string() }),
  ),
});

const depthSchema = z.object({ visible: z.number(), in_flight: z.number(), delayed: z.number() });
const queuesSchema = z.object({
  queues: z.array(z.looseObject({ queue: z.string(), messages: depthSchema, dead_letters: depthSchema })),
});

export function addRouteCommands(program: Command, cli: Cli): void {
  addCommand<{ tenant?: string }>(program, cli, {
    usage: 'routes [route]',
    description:
      'list the routes that are applied, or show one (NAME or TENANT/NAME): what it takes, its steps and its versions',
    define: (command) => command.option('--tenant <tenant>', 'only those of this tenant'),
    run: async (context, { tenant }, [name]) => {
      const times = await context.times(tenant);
      if (name !== undefined) return await showRoute(context, name, tenant);
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const query = { tenant, ...page };
          const { routes, next_cursor } = await context.api.get('/api/v1/routes', routePageSchema, { query });
          return { entries: routes, next: next_cursor };
        },
        headings: ['TENANT', 'ROUTE', 'VERSION', 'APPLIED', 'BY', 'STATE'],
        rowOf: (route) => [
          route.customer_id,
          route.name,
          route.version,
          times.show(route.applied_at),
          route.applied_by,
          route.disabled_at === null ? 'active' : 'disabled',
        ],
        what: 'routes',
        filters: { tenant },
      });
    },
  });

  addCommand<{ tenant?: string }>(program, cli, {
    usage: 'partners',
    description: 'list the partners that routes call',
    define: (command) => command.option('--tenant <tenant>', 'only those of this tenant'),
    run: async (context, { tenant }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const query = { tenant, ...page };
          const { partners, next_cursor } = await context.api.get('/api/v1/partners', partnerPageSchema, { query });
          return { entries: partners, next: next_cursor };
        },
        headings: ['TENANT', 'PARTNER', 'VERSION', 'URL', 'APPLIED', 'BY'],
        rowOf: (partner) => [
          partner.customer_id,
          partner.name,
          partner.version,
          partner.definition.baseUrl ?? '',
          times.show(partner.applied_at),
          partner.applied_by,
        ],
        what: 'partners',
        filters: { tenant },
      });
    },
  });

  addCommand<{ tenant?: string }>(program, cli, {
    usage: 'stores',
    description: 'list the external stores that routes deliver to',
    define: (command) => command.option('--tenant <tenant>', 'only those of this tenant'),
    run: async (context, { tenant }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const query = { tenant, ...page };
          const { stores, next_cursor } = await context.api.get('/api/v1/stores', storePageSchema, { query });
          return { entries: stores, next: next_cursor };
        },
        headings: ['TENANT', 'STORE', 'VERSION', 'WHERE', 'APPLIED', 'BY'],
        rowOf: (store) => [
          store.customer_id,
          store.name,
          store.version,
          store.definition.endpoint ?? `Amazon S3, ${store.definition.region}`,
          times.show(store.applied_at),
          store.applied_by,
        ],
        what: 'stores',
        filters: { tenant },
      });
    },
  });

  addCommand(program, cli, {
    usage: 'tenants',
    description: 'list tenants',
    run: async (context) => {
      const times = await context.times();
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async () => ({
          entries: (await context.api.get('/api/v1/tenants', tenantsSchema)).tenants,
          next: null,
        }),
        headings: ['TENANT', 'NAME', 'TIME ZONE', 'SINCE'],
        rowOf: ({ tenant, name, time_zone, created_at }) => [tenant, name, time_zone, times.show(created_at)],
        what: 'tenants',
      });
    },
  });

  addCommand(program, cli, {
    usage: 'queues',
    description: 'show how many messages are in each queue, approximately',
    run: async ({ api, isJson, terminal }) => {
      const { queues } = await api.get('/api/v1/queues', queuesSchema);
      if (isJson) return terminal.json(queues);
      const rows = queues.map(({ queue, messages, dead_letters }) => [
        queue,
        messages.visible,
        messages.in_flight,
        messages.delayed,
        dead_letters.visible + dead_letters.in_flight,
      ]);
      for (const line of formatTable(['QUEUE', 'WAITING', 'IN FLIGHT', 'DELAYED', 'DEAD'], rows)) terminal.line(line);
    },
  });
}

/** @throws LongshoreError `USAGE` when several tenants have a route of that name. */
async function findTenantOf({ api }: CommandContext, name: string): Promise<string | undefined> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit: 200, cursor };
    const page = await api.get('/api/v1/routes', routePageSchema, { query });
    found.push(...page.routes.filter((route) => route.name === name).map((route) => route.customer_id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  if (found.length <= 1) return found[0];
  throw new LongshoreError('USAGE', `Several tenants have a route ${name}.`, {
    hint: `Name one of them: ${found.map((tenant) => `${tenant}/${name}`).join(', ')}.`,
  });
}

async function showRoute(context: CommandContext, reference: string, given: string | undefined): Promise<void> {
  const { api, isJson, terminal } = context;
  const [first = '', second] = reference.split('/');
  const name = second ?? first;
  const tenant = second === undefined ? (given ?? (await findTenantOf(context, name)) ?? '-') : first;
  const path = `/api/v1/routes/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}`;
  const route = await api.get(path, routeDetailSchema);
  if (isJson) return terminal.json(route);
  const times = await context.times(tenant);
  const { definition, versions } = route;
  const fields = {
    route: `${route.customer_id}/${route.name}`,
    version: `${route.version}, applied ${times.show(route.applied_at)} by ${route.applied_by}`,
    state: route.disabled_at === null ? 'active' : `disabled since ${times.show(route.disabled_at)}`,
  };
  for (const line of formatFields(fields)) terminal.line(line);
  terminal.line('');
  terminal.line('# with the defaults filled in; durations in ms, sizes in bytes');
  for (const line of stringify(inReadingOrder(definition)).trimEnd().split('\n')) terminal.line(line);
  terminal.line('');
  const rows = versions.map((version) => [version.version, times.show(version.applied_at), version.applied_by]);
  for (const line of formatTable(['VERSION', 'APPLIED', 'BY'], rows)) terminal.line(line);
}

/** As route files are written; the database keeps no order. */
const READING_ORDER = ['kind', 'tenant', 'name', 'description', 'match', 'ordered', 'records', 'steps'];

function inReadingOrder(definition: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const first = READING_ORDER.filter((name) => name in definition);
  const rest = Object.keys(definition).filter((name) => !READING_ORDER.includes(name));
  return Object.fromEntries([...first, ...rest.sort()].map((name) => [name, definition[name]]));
}
