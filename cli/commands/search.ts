/** `longshore search`: what has this id, name, path, checksum or key. */
import type { Command } from 'commander';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { formatTable } from '#cli/terminal.ts';
import { searchReplySchema } from '#shared/api/search.ts';

const NOTHING_FOUND =
  'Nothing has this id, name, path, checksum or key. Names and paths are compared from their start; for a part of a name: `longshore files --name`.';

export function addSearch(program: Command, cli: Cli): void {
  addCommand(program, cli, {
    usage: 'search <text>',
    description:
      'find files, jobs, records, actions, routes and partners by id, name, path, checksum, key or request id',
    run: async ({ api, isJson, terminal }, _options, [q = '']) => {
      const { hits } = await api.get('/api/v1/search', searchReplySchema, { query: { q } });
      if (isJson) return terminal.json(hits);
      if (hits.length === 0) return terminal.note(NOTHING_FOUND);
      const rows = hits.map((hit) => [hit.kind, hit.by, hit.id, hit.tenant, hit.state, hit.name]);
      for (const line of formatTable(['KIND', 'BY', 'ID', 'TENANT', 'STATE', 'NAME'], rows)) terminal.line(line);
    },
  });
}
