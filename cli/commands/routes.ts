/** `longshore routes`, `partners`, `stores`, `databases`, `senders`, `tenants` and `queues`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { APPLIED_COLUMNS, addDefinitionList, appliedSchema, VERSION_COLUMN } from './definition-list.ts';
import { addPartnerControl } from './partner-control.ts';
import { addPartnerHealth } from './partner-health.ts';

const routeSchema = appliedSchema.extend({ disabled_at: z.string().nullable(), removed_at: z.string().nullable() });
const partnerSchema = appliedSchema.extend({
  definition: z.looseObject({ baseUrl: z.string().optional() }),
  held: z.string().nullable().optional(),
});
const storeSchema = appliedSchema.extend({
  definition: z.looseObject({ endpoint: z.string().optional(), region: z.string().optional() }),
});
const databaseSchema = appliedSchema.extend({
  definition: z.looseObject({
    ...{ host: z.string(), database: z.string(), tables: z.array(z.string()) },
    reads: z.array(z.string()).default([]),
  }),
});

const senderSchema = appliedSchema.extend({ definition: z.looseObject({ from: z.string(), transport: z.string() }) });

const tenantSchema = z.looseObject({
  tenant: z.string(),
  name: z.string(),
  time_zone: z.string(),
  disabled_at: z.string().nullable(),
  portal: z
    .object({ name: z.string().optional(), colour: z.string().optional(), logo: z.string().optional() })
    .nullish(),
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
  addDefinitionList(program, cli, {
    plural: 'routes',
    argument: 'route',
    description:
      'list the routes that are applied, or show one (NAME or TENANT/NAME): what it takes, its steps and its versions',
    entry: routeSchema,
    columns: { ...VERSION_COLUMN, ...APPLIED_COLUMNS, STATE: stateOf },
  });
  const partners = addDefinitionList(program, cli, {
    plural: 'partners',
    description: 'list the partners that routes call',
    entry: partnerSchema,
    columns: {
      ...VERSION_COLUMN,
      URL: ({ definition }) => definition.baseUrl ?? null,
      ...APPLIED_COLUMNS,
      HELD: ({ held }) => held ?? null,
    },
    held: 'only those that an operator paused, or whose breaker an operator holds open',
  });
  addPartnerHealth(partners, cli);
  addPartnerControl(partners, cli);
  addDefinitionList(program, cli, {
    plural: 'stores',
    description: 'list the external stores that routes deliver to',
    entry: storeSchema,
    columns: {
      ...VERSION_COLUMN,
      WHERE: ({ definition }) => definition.endpoint ?? `Amazon S3, ${definition.region}`,
      ...APPLIED_COLUMNS,
    },
  });
  addDefinitionList(program, cli, {
    plural: 'databases',
    description: 'list the databases that routes load rows into or read',
    entry: databaseSchema,
    columns: {
      ...VERSION_COLUMN,
      WHERE: ({ definition }) => `${definition.host}/${definition.database}`,
      TABLES: ({ definition }) => [...definition.tables, ...definition.reads].join(', '),
      ...APPLIED_COLUMNS,
    },
  });

  addDefinitionList(program, cli, {
    plural: 'senders',
    description: 'list the senders of campaigns',
    entry: senderSchema,
    columns: {
      ...VERSION_COLUMN,
      FROM: ({ definition }) => definition.from,
      TRANSPORT: ({ definition }) => definition.transport,
      ...APPLIED_COLUMNS,
    },
  });

  addCommand(program, cli, {
    usage: 'tenants [tenant]',
    description: 'list tenants, or show what one has',
    run: async (context, _options, [name]) => {
      const times = await context.times(name);
      if (name !== undefined) {
        const tenant = await context.api.get(`/api/v1/tenants/${encodeURIComponent(name)}`, tenantSchema);
        if (context.isJson) return context.terminal.json(tenant);
        const { has, portal, disabled_at: disabledAt } = tenant;
        const look = portal && [portal.name, portal.colour, portal.logo === undefined ? undefined : 'logo'];
        const state = disabledAt === null ? 'active' : `disabled since ${times.show(disabledAt)}`;
        const fields = {
          tenant: tenant.tenant,
          name: tenant.name,
          'time zone': tenant.time_zone,
          state,
          ...has,
          ...(look && { portal: look.filter((part) => part !== undefined).join(', ') }),
        };
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
