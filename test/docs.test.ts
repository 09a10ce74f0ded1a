/**
 * Pages that repeat what the code says are generated from it, or compared with it; `vitest run test/docs.test.ts -u` generates them
 * again.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Command, Option } from 'commander';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { Cli } from '#cli/command-context.ts';
import { createProgram } from '#cli/create-program.ts';
import { EXIT_CODES_HELP } from '#cli/exit-codes.ts';
import { LOAD_TABLE } from '#shared/databases/load-tables.ts';
import { DEAD_LETTER_STATES, FILE_STATUSES, JOB_STATES } from '#shared/db/schema.ts';
import { ERROR_CODES, type ErrorCodeEntry } from '#shared/errors.ts';
import { EVENT_TYPES, publishedEvent } from '#shared/messages/published-event.ts';
import { findBrokenLinks } from '#testkit/checks/find-broken-links.ts';
import { findOddWords, WORD_LIST } from '#testkit/checks/find-odd-words.ts';
import { findUnknownCommands } from '#testkit/checks/find-unknown-commands.ts';
import { findVariables } from '#testkit/checks/find-variables.ts';
import { type ApiOperation, type ApiSchema, readApiDocument } from '#testkit/checks/read-api-document.ts';
import { registeredMetrics } from '#testkit/checks/registered-metrics.ts';
import { routeFileJsonSchema } from '#testkit/checks/route-file-json-schema.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = globSync('**/*.md', { cwd: join(ROOT, 'docs') }).sort();
/** Made from code, so as long as what they list. */
const GENERATED = [
  'reference/api.md',
  'reference/cli.md',
  'reference/configuration.md',
  'reference/errors.md',
  'reference/metrics.md',
];
/** Commands are described, and none is run. */
const NO_CLI = { config: {}, terminal: { write: () => {}, writeError: () => {} } } as unknown as Cli;
/** Of every command; the page says so once. */
const SHARED_OPTIONS = ['--json', '--utc', '--api', '--key-file'];
const readPage = (name: string) => readFileSync(join(ROOT, 'docs', name), 'utf8');

test('every link between pages, and every page that the code names, is there', () => {
  const files = globSync('**/*.{md,ts,mjs,yaml,yml,json,example}', {
    cwd: ROOT,
    exclude: ['**/node_modules/**', '**/.longshore/**', '**/cdk.out/**', 'package-lock.json'],
  });
  expect(files.length).toBeGreaterThan(500);
  expect(findBrokenLinks(ROOT, files.sort())).toEqual([]);
});

test.each(PAGES.filter((page) => !GENERATED.includes(page)))('docs/%s fits on a screen or three', (page) => {
  const lines = readPage(page).trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(200);
  expect(overlongProse(lines)).toEqual([]);
});

test('what users read is plain English, by the word list in CONTRIBUTING.md', async () => {
  // Pages repeat the texts of errors, commands, variables and metrics; the API's answers are on none.
  const folders = globSync('{cli,examples,services,local,test}/**/README.md', {
    cwd: ROOT,
    exclude: ['**/node_modules/**'],
  });
  const pages = ['../README.md', ...folders.map((page) => `../${page}`), ...PAGES].map(
    (page) => [page, proseOf(readPage(page))] as const,
  );
  const api = JSON.stringify(await readApiDocument(), null, 1);
  const found = [...pages, ['the API', api] as const].flatMap(([name, text]) =>
    findOddWords(text).map((fault) => `${name}: ${fault}`),
  );
  expect(found).toEqual([]);
  const listed = [...readPage('../CONTRIBUTING.md').matchAll(/^\| (?!Not |-)([^|]+) \| ([^|]+) \|$/gm)];
  expect(listed.map(([, not, but]) => [not, but])).toEqual(WORD_LIST.map(([not, but]) => [not, but]));
});

test('messages of programs are plain English, by the same list', () => {
  const files = globSync('{shared,services,cli,console/src,local,deploy,load,simulate,bench}/**/*.{ts,tsx}', {
    cwd: ROOT,
  }).filter((file) => !file.endsWith('.test.ts') && !file.includes('node_modules'));
  expect(files.length).toBeGreaterThan(400);
  const found = files.flatMap((file) =>
    messagesOf(file).flatMap((message) => findOddWords(message).map((fault) => `${file}: ${fault}`)),
  );
  expect(found).toEqual([]);
});

/** Texts of several words in quotes, and between the tags of JSX; no comments, and no SQL. */
function messagesOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const code = source.replace(/\/\*.*?\*\//gs, '').replace(/(^|\s)(?:\/\/|--) .*$/gm, '');
  const quoted = code.matchAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g);
  const shown = file.endsWith('.tsx') ? code.matchAll(/(?<=>|\})[^<>{}`'"=]+(?=<|\{)/g) : [];
  return [...quoted, ...shown]
    .map(([text]) => text)
    .filter((text) => / /.test(text) && !/\b(SELECT|UPDATE|INSERT|DELETE FROM|CREATE)\b/.test(text));
}

const proseOf = (page: string) => page.replace(/^ *```.*?^ *```/gms, '');

test('README.md has at most 100 lines', () => {
  const lines = readPage('../README.md').trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(100);
  expect(overlongProse(lines)).toEqual([]);
});

/** Lines over 100 columns that could have been wrapped: no code, table, heading or picture, and more than one word. */
function overlongProse(lines: readonly string[]): string[] {
  let inCode = false;
  return lines.filter((line) => {
    if (line.trimStart().startsWith('```')) inCode = !inCode;
    return !inCode && line.length > 100 && !/^\s*(```|\||#|!\[)/.test(line) && /\S\s+\S{1,100}(\s|$)/.test(line);
  });
}

test('docs/reference/errors.md lists every code with its meaning and remedy', async () => {
  const rows = Object.entries(ERROR_CODES)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, entry]) => `| \`${code}\` | ${entry.meaning} | ${entry.remedy} | ${wordsForSender(entry)} |`);
  const page = [
    '# Error codes',
    '',
    'Every code in an API answer, a job, a log line or an event. Codes are stable: they are never renamed',
    'and never change their meaning. This page is generated from `shared/errors.ts`.',
    '',
    'Failures of files and jobs also have `for_sender`, which the [portal](../guides/portal.md) and',
    'channels with [`reader: sender`](../guides/notifications.md) show. Where the fault is in the file,',
    'it is the message of the failure and then the last column (after `...`); else the last column alone.',
    '',
    '| Code | What happened | What to do | What the sender reads |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/reference/errors.md');
});

function wordsForSender({ sender }: ErrorCodeEntry): string {
  if (sender === undefined) return '';
  return 'correct' in sender ? `... ${sender.correct}` : sender.instead;
}

test('docs/reference/event.v1.schema.json is the schema of published events', async () => {
  const schema = { title: 'Longshore event', ...z.toJSONSchema(publishedEvent) };
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../docs/reference/event.v1.schema.json');
});

test('docs/reference/events.md describes every type of event', () => {
  const page = readPage('reference/events.md');
  expect(EVENT_TYPES.filter((type) => !page.includes(`\`${type}\``))).toEqual([]);
});

test('the schema of published events has every type that its page says is published', () => {
  const [published = ''] = readPage('reference/events.md').split('The audit (`GET', 1);
  const cells = [...published.matchAll(/^\| ((?:`[a-z-]+\.[a-z-]+`(?:, )?)+) \|/gm)].map(([, cell = '']) => cell);
  const types = cells.flatMap((cell) => [...cell.matchAll(/`([a-z-]+\.[a-z-]+)`/g)].map(([, type = '']) => type));
  expect(types).toContain('file.uploaded');
  expect(types.filter((type) => !(EVENT_TYPES as readonly string[]).includes(type))).toEqual([]);
});

test('docs/reference/configuration.md lists every variable of every process with its default', async () => {
  const tables = Object.entries(findVariables()).flatMap(([heading, variables]) => [
    `## ${heading}`,
    '',
    '| Variable | Default | Meaning |',
    '|---|---|---|',
    ...variables.map(({ name, fallback, description }) => {
      expect(description, `${name} of ${heading} says what it means`).not.toBe('');
      const shown = ['required', 'none'].includes(fallback) ? fallback : `\`${fallback}\``;
      return `| \`${name}\` | ${shown} | ${description.replaceAll('|', '\\|')} |`;
    }),
    '',
  ]);
  const page = [
    '# Configuration',
    '',
    '```sh',
    'LONGSHORE_SLOTS=64 LOG_LEVEL=debug node services/partner-worker/main.ts',
    '```',
    '',
    'Every process reads its configuration from the environment. Configuration errors are reported at',
    'startup, all at once, and the process exits. An empty variable counts as absent. The AWS SDK reads its',
    'own variables in addition (`AWS_ENDPOINT_URL_S3`, `_SQS`, `_SNS`, credentials), and so does the',
    '[trace exporter](../operations/tracing.md). This page is generated from the schemas of the processes.',
    '',
    ...tables,
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/reference/configuration.md');
});

test('the pages say what each state of a file, a job and a dead letter means', () => {
  const page = readPage('operations/finding-a-file.md') + readPage('operations/replaying.md');
  const states = [...FILE_STATUSES, ...JOB_STATES, ...DEAD_LETTER_STATES];
  expect(states.filter((state) => !page.includes(`\n| \`${state}\` | `))).toEqual([]);
});

test('no page names a metric of ours that does not exist', async () => {
  const known = new Set((await registeredMetrics()).map(({ name }) => name));
  const named = PAGES.flatMap((page) =>
    [...readPage(page).matchAll(/`[^`]*?(longshore_[a-z0-9_]+)[^`]*`/g)].map(([, name]) => name),
  );
  expect(named.length).toBeGreaterThan(10);
  const table = /longshore_\w+/.exec(LOAD_TABLE)?.[0];
  expect(named.filter((name) => !known.has(name ?? '') && name !== table)).toEqual([]);
});

test('no page names a command that does not exist, or an option that it does not take', () => {
  const program = createProgram(NO_CLI);
  const pages = [...PAGES.filter((page) => !GENERATED.includes(page)).map((page) => `docs/${page}`), 'README.md'];
  const found = pages.flatMap((page) =>
    findUnknownCommands(program, readFileSync(join(ROOT, page), 'utf8')).map((call) => `${page}: ${call}`),
  );
  expect(found).toEqual([]);
  expect(
    findUnknownCommands(program, '`longshore fils`, `longshore job JOB --colour red`, `longshore job JOB`'),
  ).toEqual(['longshore fils', 'longshore job JOB --colour red: --colour']);
});

test('docs/reference/metrics.md lists every metric with its labels and who shows it', async () => {
  const rows = (await registeredMetrics()).map(
    ({ name, type, labels, help, processes }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} | ${processes.join(', ')} |`,
  );
  const page = [
    '# Metrics',
    '',
    'What each process shows at `/metrics` in the format of Prometheus, in addition to the metrics of',
    'Node.js (`process_*`, `nodejs_*`). Labels have bounded sets of values: never a file name or an id.',
    'The [alerts](../operations/alerts/README.md) use these metrics. This page is generated from what the',
    'processes register.',
    '',
    '| Metric | Type | Labels | Meaning | Process |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/reference/metrics.md');
});

test('docs/reference/api.md describes every endpoint', async () => {
  const { paths, components } = await readApiDocument();
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ title: `${method.toUpperCase()} ${path}`, ...operation })),
  );
  const sections = operations.flatMap((operation) => {
    expect(operation.summary, operation.title).toBeTruthy();
    const fields = [
      ...(operation.parameters ?? []).map(({ name, in: place, required, description, schema }) =>
        fieldRow(name, place, { ...schema, ...(description && { description }) }, required),
      ),
      ...bodyFields(operation.requestBody, components.schemas),
    ];
    return [
      `## ${operation.title}`,
      '',
      `${operation.summary}.`,
      '',
      ...(operation.description === undefined ? [] : [operation.description, '']),
      ...(fields.length === 0 ? [] : ['| Name | In | Meaning |', '|---|---|---|', ...fields, '']),
    ];
  });
  const page = [
    '# API',
    '',
    '```sh',
    'curl -s -H "x-api-key: $(cat .longshore/keys/operator.key)" http://127.0.0.1:8080/api/v1/files',
    '```',
    '',
    'Every request has its key in `x-api-key`. A tenant\u2019s key sees that tenant only; an operator\u2019s key',
    'sees all tenants. Errors have a `code` from [errors](errors.md). Lists are paged: pass `next_cursor` as',
    '`cursor`. `/openapi.json` has the same with every answer, and `/docs` shows it. This page is generated',
    'from it.',
    '',
    ...sections,
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/reference/api.md');
});

function bodyFields(body: ApiOperation['requestBody'], named: Readonly<Record<string, ApiSchema>>): string[] {
  const schema = named[body?.content['application/json']?.schema.$ref?.split('/').at(-1) ?? ''];
  return Object.entries(schema?.properties ?? {}).map(([name, field]) =>
    fieldRow(name, 'body', field, schema?.required?.includes(name)),
  );
}

function fieldRow(name: string, place: string, schema: ApiSchema, required = false): string {
  const facts = [
    required ? 'Required.' : '',
    schema.description ?? '',
    schema.enum === undefined ? '' : `One of ${schema.enum.map((value) => `\`${value}\``).join(', ')}.`,
    schema.default === undefined
      ? ''
      : `Default \`${typeof schema.default === 'object' ? JSON.stringify(schema.default) : schema.default}\`.`,
  ];
  return `| \`${name}\` | ${place} | ${facts
    .filter((fact) => fact !== '')
    .join(' ')
    .replaceAll('|', '\\|')} |`;
}

test('docs/reference/cli.md describes every command', async () => {
  const page = [
    '# Command line',
    '',
    '```sh',
    'npx longshore files --status failed --since 2h',
    '```',
    '',
    'The command talks to the API only: to `--api URL` with `--key-file FILE`, to `LONGSHORE_API` with',
    '`LONGSHORE_API_KEY`, or to the instance in `LONGSHORE_HOME` with its operator key. Results go to',
    'standard output, everything else to standard error. Every command takes `--json`, and `--utc` for times',
    'in UTC. This page is generated from the program.',
    '',
    ...describeCommands(createProgram(NO_CLI)),
    '## Exit codes',
    '',
    '```',
    EXIT_CODES_HELP.trim(),
    '```',
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../docs/reference/cli.md');
});

test('every command and option says what it is for', () => {
  const described = (parent: Command): (readonly [name: string, description: string])[] =>
    parent.commands.flatMap((command) => [
      [command.name(), command.description()] as const,
      ...command.options.map(({ flags, description }) => [`${command.name()} ${flags}`, description] as const),
      ...described(command),
    ]);
  const all = described(createProgram(NO_CLI));
  expect(all.filter(([, description]) => description === '' || /\ba (?!one\b)[aeio]\w/.test(description))).toEqual([]);
});

function describeCommands(parent: Command, path = parent.name()): string[] {
  return parent.commands.flatMap((command) => {
    const name = `${path} ${command.name()}`;
    const options = command.options.filter(({ long, hidden }) => !hidden && !SHARED_OPTIONS.includes(long ?? ''));
    return [
      `## ${name}`,
      '',
      '```',
      `${name} ${command.usage()}`.trim(),
      '```',
      '',
      asSentence(command.description()),
      '',
      ...(options.length === 0 ? [] : ['| Option | Meaning |', '|---|---|', ...options.map(optionRow), '']),
      ...describeCommands(command, name),
    ];
  });
}

function optionRow({ flags, description, defaultValue }: Option): string {
  const fallback = [undefined, false].includes(defaultValue) ? '' : ` Default \`${defaultValue}\`.`;
  return `| \`${flags.replaceAll('|', '\\|')}\` | ${asSentence(description)}${fallback} |`;
}

const asSentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;

test('docs/reference/route.schema.json is the schema of route files, and fits the examples', async () => {
  const schema = routeFileJsonSchema();
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../docs/reference/route.schema.json');
  const fits = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
  for (const file of globSync('examples/*/*.yaml', { cwd: ROOT })) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    expect(text.split('\n')[0], file).toBe('# yaml-language-server: $schema=../../docs/reference/route.schema.json');
    const documents = parseAllDocuments(text).map((document) => document.toJS() as unknown);
    for (const document of documents) {
      fits(document);
      expect(fits.errors ?? [], file).toEqual([]);
    }
  }
});
