/** `longshore routes`, `partners`, `stores`, `databases`, `tenants` and `queues`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { addVersionCommands, showDefinition } from './definition-versions.ts';
import { addPartnerHealth } from './partner-health.ts';

const routeSchema = z.looseObject({
  customer_id: z.string(),
  name: z.string(),
  version: z.number(),
  applied_by: z.string(),
  applied_at: z.string(),
  disabled_at: z.string().nullable(),
  removed_at: z.string().nullable(),
});
const routePageSchema = z.object({ routes: z.array(routeSchema), next_cursor: z.string().nullable() });

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

const databasePageSchema = z.object({
  databases: z.array(
    z.looseObject({
      customer_id: z.string(),
      name: z.string(),
      version: z.number(),
      applied_by: z.string(),
      applied_at: z.string(),
      definition: z.looseObject({
        ...{ host: z.string(), database: z.string(), tables: z.array(z.string()) },
        reads: z.array(z.string()).default([]),
      }),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const tenantSchema = z.looseObject({
  tenant: z.string(),
  name: z.string(),
  time_zone: z.string(),
  disabled_at: z.string().nullable(),
  has: z.record(z.string(), z.number()),
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
  const routes = addCommand<{ tenant?: string }>(program, cli, {
    usage: 'routes [route]',
    description:
      'list the routes that are applied, or show one (NAME or TENANT/NAME): what it takes, its steps and its versions',
    define: (command) => command.option('--tenant <tenant>', 'only those of this tenant'),
    run: async (context, { tenant }, [name]) => {
      const times = await context.times(tenant);
      if (name !== undefined) return await showDefinition(context, { plural: 'routes', reference: name, tenant });
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const query = { tenant, ...page };
          const found = await context.api.get('/api/v1/routes', routePageSchema, { query });
          return { entries: found.routes, next: found.next_cursor };
        },
        headings: ['TENANT', 'ROUTE', 'VERSION', 'APPLIED', 'BY', 'STATE'],
        rowOf: (route) => [
          route.customer_id,
          route.name,
          route.version,
          times.show(route.applied_at),
          route.applied_by,
          stateOf(route),
        ],
        what: 'routes',
        filters: { tenant },
      });
    },
  });

  addVersionCommands(routes, cli, 'routes');

  const partners = addCommand<{ tenant?: string }>(program, cli, {
    usage: 'partners',
    description: 'list the partners that routes call',
    define: (command) => command.option('--tenant <tenant>', 'only those of this tenant'),
    run: async (context, { tenant }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const query = { tenant, ...page };
          const found = await context.api.get('/api/v1/partners', partnerPageSchema, { query });
          return { entries: found.partners, next: found.next_cursor };
        },
        headings: ['TENANT', 'PARTNER', 'VERSION', 'URL', 'APPLIED', 'BY'],
        rowOf: (partner) => [
          partner.customer_id,
          partner.name,
          partner.version,
          partner.definition.baseUrl ?? null,
          times.show(partner.applied_at),
          partner.applied_by,
        ],
        what: 'partners',
        filters: { tenant },
      });
    },
  });

  addVersionCommands(partners, cli, 'partners');
  addPartnerHealth(partners, cli);

  const stores = addCommand<{ tenant?: string }>(program, cli, {
    usage: 'stores',
    description: 'list the external stores that routes deliver to',
    define: (command) => command.option('--tenant <tenant>', 'only those of this tenant'),
    run: async (context, { tenant }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const query = { tenant, ...page };
          const found = await context.api.get('/api/v1/stores', storePageSchema, { query });
          return { entries: found.stores, next: found.next_cursor };
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

  addVersionCommands(stores, cli, 'stores');

  const databases = addCommand<{ tenant?: string }>(program, cli, {
    usage: 'databases',
    description: 'list the databases that routes load rows into or read',
    define: (command) => command.option('--tenant <tenant>', 'only those of this tenant'),
    run: async (context, { tenant }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const query = { tenant, ...page };
          const reply = await context.api.get('/api/v1/databases', databasePageSchema, { query });
          return { entries: reply.databases, next: reply.next_cursor };
        },
        headings: ['TENANT', 'DATABASE', 'VERSION', 'WHERE', 'TABLES', 'APPLIED', 'BY'],
        rowOf: (database) => [
          database.customer_id,
          database.name,
          database.version,
          `${database.definition.host}/${database.definition.database}`,
          [...database.definition.tables, ...database.definition.reads].join(', '),
          times.show(database.applied_at),
          database.applied_by,
        ],
        what: 'databases',
        filters: { tenant },
      });
    },
  });

  addVersionCommands(databases, cli, 'databases');

  addCommand(program, cli, {
    usage: 'tenants [tenant]',
    description: 'list tenants, or show what one has',
    run: async (context, _options, [name]) => {
      const times = await context.times(name);
      if (name !== undefined) {
        const tenant = await context.api.get(`/api/v1/tenants/${encodeURIComponent(name)}`, tenantSchema);
        if (context.isJson) return context.terminal.json(tenant);
        const { has, disabled_at: disabledAt } = tenant;
        const state = disabledAt === null ? 'active' : `disabled since ${times.show(disabledAt)}`;
        const fields = { tenant: tenant.tenant, name: tenant.name, 'time zone': tenant.time_zone, state, ...has };
        for (const line of formatFields(fields)) context.terminal.line(line);
        return;
      }
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

function stateOf({ disabled_at: disabledAt, removed_at: removedAt }: z.infer<typeof routeSchema>): string {
  if (removedAt !== null) return 'removed';
  return disabledAt === null ? 'active' : 'disabled';
}
