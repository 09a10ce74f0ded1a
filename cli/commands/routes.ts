/** `longshore routes`, `partners`, `stores`, `tenants` and `queues`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { collectPages } from '#cli/collect-pages.ts';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { formatTable } from '#cli/terminal.ts';

const routePageSchema = z.object({
  routes: z.array(
    z.looseObject({
      customer_id: z.string(),
      name: z.string(),
      version: z.number(),
      applied_by: z.string(),
      applied_at: z.string(),
      disabled_at: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
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

const MOST_ENTRIES = 100_000;

export function addRouteCommands(program: Command, config: CliConfig): void {
  addCommand<{ tenant?: string }>(program, config, {
    usage: 'routes',
    description: 'list the routes in force',
    define: (command) => command.option('--tenant <tenant>'),
    run: async ({ api, isJson, terminal }, { tenant }) => {
      const { entries } = await collectPages(MOST_ENTRIES, async (page) => {
        const { routes, next_cursor } = await api.get('/api/v1/routes', routePageSchema, {
          query: { tenant, ...page },
        });
        return { entries: routes, next: next_cursor };
      });
      if (isJson) return terminal.json(entries);
      const rows = entries.map((route) => [
        route.customer_id,
        route.name,
        route.version,
        route.applied_at,
        route.applied_by,
        route.disabled_at === null ? 'active' : 'disabled',
      ]);
      for (const line of formatTable(['TENANT', 'ROUTE', 'VERSION', 'APPLIED', 'BY', 'STATE'], rows))
        terminal.line(line);
    },
  });

  addCommand<{ tenant?: string }>(program, config, {
    usage: 'partners',
    description: 'list the partners that routes may call, as they are described now',
    define: (command) => command.option('--tenant <tenant>'),
    run: async ({ api, isJson, terminal }, { tenant }) => {
      const { entries } = await collectPages(MOST_ENTRIES, async (page) => {
        const { partners, next_cursor } = await api.get('/api/v1/partners', partnerPageSchema, {
          query: { tenant, ...page },
        });
        return { entries: partners, next: next_cursor };
      });
      if (isJson) return terminal.json(entries);
      const rows = entries.map((partner) => [
        partner.customer_id,
        partner.name,
        partner.version,
        partner.definition.baseUrl ?? '',
        partner.applied_at,
        partner.applied_by,
      ]);
      for (const line of formatTable(['TENANT', 'PARTNER', 'VERSION', 'URL', 'APPLIED', 'BY'], rows))
        terminal.line(line);
    },
  });

  addCommand<{ tenant?: string }>(program, config, {
    usage: 'stores',
    description: 'list the external stores that routes may deliver to, as they are described now',
    define: (command) => command.option('--tenant <tenant>'),
    run: async ({ api, isJson, terminal }, { tenant }) => {
      const { entries } = await collectPages(MOST_ENTRIES, async (page) => {
        const { stores, next_cursor } = await api.get('/api/v1/stores', storePageSchema, {
          query: { tenant, ...page },
        });
        return { entries: stores, next: next_cursor };
      });
      if (isJson) return terminal.json(entries);
      const rows = entries.map((store) => [
        store.customer_id,
        store.name,
        store.version,
        store.definition.endpoint ?? `Amazon S3, ${store.definition.region}`,
        store.applied_at,
        store.applied_by,
      ]);
      for (const line of formatTable(['TENANT', 'STORE', 'VERSION', 'WHERE', 'APPLIED', 'BY'], rows))
        terminal.line(line);
    },
  });

  addCommand(program, config, {
    usage: 'tenants',
    description: 'list tenants',
    run: async ({ api, isJson, terminal }) => {
      const { tenants } = await api.get('/api/v1/tenants', tenantsSchema);
      if (isJson) return terminal.json(tenants);
      const rows = tenants.map(({ tenant, name, time_zone, created_at }) => [tenant, name, time_zone, created_at]);
      for (const line of formatTable(['TENANT', 'NAME', 'TIME ZONE', 'SINCE'], rows)) terminal.line(line);
    },
  });

  addCommand(program, config, {
    usage: 'queues',
    description: 'show how much stands in the queues, approximately',
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
