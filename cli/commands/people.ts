/** `longshore people` and `longshore sessions`: who may sign in, and who is. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { ApiClient } from '#cli/api-client.ts';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { ALL_ENTRIES, listEntries } from '#cli/list-entries.ts';
import { TENANT_ROLES } from '#shared/access/permissions.ts';
import { LongshoreError } from '#shared/errors.ts';

const personSchema = z.looseObject({
  person_id: z.string(),
  tenant: z.string().nullable(),
  email: z.string().nullable(),
  name: z.string(),
  role: z.string(),
  signs_in: z.string(),
  sessions: z.number(),
  last_signed_in_at: z.string().nullable(),
  disabled_at: z.string().nullable(),
});
const peopleSchema = z.object({ people: z.array(personSchema), next_cursor: z.string().nullable() });

const sessionsSchema = z.object({
  sessions: z.array(
    z.looseObject({
      session_id: z.string(),
      person: z.string(),
      tenant: z.string().nullable(),
      role: z.string(),
      way: z.string(),
      address: z.string(),
      created_at: z.string(),
      last_seen_at: z.string(),
      ends_at: z.string(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const invitedSchema = z.looseObject({ person_id: z.string(), sign_in_url: z.string().nullish() });
const changedSchema = z.looseObject({ changed: z.boolean() });
const endedSchema = z.looseObject({ ended: z.number() });

export function addPeopleCommands(program: Command, cli: Cli): void {
  const people = program.command('people').description('invite people, change what they may do, end their sessions');

  addCommand<{ tenant?: string }>(people, cli, {
    usage: 'list',
    description: 'list who may sign in',
    define: (command) => command.option('--tenant <tenant>', 'people of this tenant'),
    run: async (context, { tenant }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const { people, next_cursor } = await context.api.get('/api/v1/people', peopleSchema, {
            query: { ...page, tenant },
          });
          return { entries: people, next: next_cursor };
        },
        headings: ['PERSON', 'TENANT', 'ADDRESS', 'NAME', 'ROLE', 'SIGNS IN', 'SESSIONS', 'LAST', 'DISABLED'],
        rowOf: (person) => [
          person.person_id,
          person.tenant ?? '(operator)',
          person.email ?? null,
          person.name,
          person.role,
          person.signs_in,
          person.sessions,
          times.show(person.last_signed_in_at),
          times.show(person.disabled_at),
        ],
        what: 'people',
      });
    },
  });

  addCommand<{ tenant: string; name?: string; role: string }>(people, cli, {
    usage: 'invite <address>',
    description: 'let a person of a tenant sign in by mail',
    define: (command) =>
      command
        .requiredOption('--tenant <tenant>', 'whose person it is')
        .requiredOption('--role <role>', `what the person may do: ${TENANT_ROLES.join(', ')}`)
        .option('--name <name>', 'what the person is called (default: the address)'),
    run: async ({ api, isJson, terminal }, { tenant, name, role }, [email = '']) => {
      const made = await api.post('/api/v1/people', invitedSchema, {
        body: { tenant, email, name: name ?? email, role },
      });
      if (isJson) return terminal.json(made);
      terminal.line(`${email} may sign in to the portal as ${role} of ${tenant}`);
      if (made.sign_in_url)
        terminal.line(`Tell the person to ask for a link at ${made.sign_in_url}: no mail is sent now.`);
    },
  });

  addCommand(people, cli, {
    usage: 'role <person> <role>',
    description: 'give an invited person (id or address) another role; open sessions end',
    run: async ({ api, isJson, terminal }, _options, [person = '', role = '']) => {
      const id = await findPerson(api, person);
      const result = await api.post(`/api/v1/people/${id}/role`, changedSchema, { body: { role } });
      if (isJson) return terminal.json(result);
      terminal.line(`${person} ${result.changed ? 'is now' : 'was before'} ${role}`);
    },
  });

  for (const verb of ['disable', 'enable'] as const)
    addCommand<{ reason: string }>(people, cli, {
      usage: `${verb} <person>`,
      description:
        verb === 'disable'
          ? 'disable a person (id or address); open sessions end'
          : 'let a disabled person sign in again',
      define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
      run: async ({ api, isJson, terminal }, { reason }, [person = '']) => {
        const id = await findPerson(api, person);
        const result = await api.post(`/api/v1/people/${id}/${verb}`, changedSchema, { body: { reason } });
        if (isJson) return terminal.json(result);
        terminal.line(`${person} ${result.changed ? `${verb}d` : `was ${verb}d before`}`);
        if (verb === 'disable') terminal.note(KEYS_CONTINUE);
      },
    });

  addCommand<{ reason: string }>(people, cli, {
    usage: 'end-sessions <person>',
    description: 'end every session of a person (id or address)',
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async ({ api, isJson, terminal }, { reason }, [person = '']) => {
      const id = await findPerson(api, person);
      const result = await api.post(`/api/v1/people/${id}/end-sessions`, endedSchema, { body: { reason } });
      if (isJson) return terminal.json(result);
      terminal.line(`${result.ended} ended`);
    },
  });

  addCommand(program, cli, {
    usage: 'sessions',
    description: 'list who is signed in, newest first',
    run: async (context) => {
      const times = await context.times();
      await listEntries(context, {
        most: ALL_ENTRIES,
        readPage: async (page) => {
          const { sessions, next_cursor } = await context.api.get('/api/v1/sessions', sessionsSchema, {
            query: { ...page },
          });
          return { entries: sessions, next: next_cursor };
        },
        headings: ['SESSION', 'PERSON', 'TENANT', 'ROLE', 'BY', 'FROM', 'SINCE', 'LAST SEEN', 'ENDS'],
        rowOf: (session) => [
          session.session_id,
          session.person,
          session.tenant ?? '(operator)',
          session.role,
          session.way,
          session.address,
          times.show(session.created_at),
          times.show(session.last_seen_at),
          times.show(session.ends_at),
        ],
        what: 'sessions',
      });
    },
  });
}

const KEYS_CONTINUE =
  'API keys continue: revoke those that the person has (`longshore keys list`, `longshore keys revoke KEY`).';
const ID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/i;

/** By id, or by an address that one person has. @throws LongshoreError `USAGE` */
async function findPerson(api: ApiClient, person: string): Promise<string> {
  if (ID.test(person)) return person;
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.get('/api/v1/people', peopleSchema, { query: { cursor, limit: 200 } });
    found.push(...page.people.filter(({ email }) => email === person.toLowerCase()).map(({ person_id }) => person_id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  const [id] = found;
  if (id !== undefined && found.length === 1) return id;
  throw new LongshoreError(
    'USAGE',
    `${found.length === 0 ? 'Nobody has' : 'Several people have'} the address ${person}.`,
    {
      hint: '`longshore people list` shows ids.',
    },
  );
}
