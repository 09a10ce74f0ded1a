/**
 * Which API, and with which key: from the options, else the environment, else the one-machine stack's `endpoints.json`.
 *
 * A key of the one-machine stack is sent to its own address only, never to one that was given.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import type { CliConfig } from './config.ts';
import { pathOf } from './read-named-file.ts';

export interface Connection {
  readonly api: URL;
  readonly key: string;
}

export interface ConnectionOptions {
  readonly api?: string | undefined;
  readonly keyFile?: string | undefined;
}

const endpointsSchema = z.object({
  api: z.string(),
  operatorKeyFile: z.string(),
  chatSecretFiles: z.object({ slack: z.string(), teams: z.string() }).optional(),
  chatNoticesFile: z.string().optional(),
});

/** @throws LongshoreError `USAGE` */
export async function findConnection(options: ConnectionOptions, config: CliConfig): Promise<Connection> {
  const given = options.api ?? config.LONGSHORE_API;
  const key = options.keyFile === undefined ? config.LONGSHORE_API_KEY : await readKey(pathOf(options.keyFile, config));
  if (given !== undefined && key === undefined)
    throw new LongshoreError('USAGE', 'There is no API key.', {
      hint: 'Give --key-file FILE or set LONGSHORE_API_KEY.',
    });
  if (given !== undefined && key !== undefined) return { api: parseAddress(given), key: checkKey(key) };
  const endpoints = await readEndpoints(config);
  return {
    api: parseAddress(endpoints.api),
    key: checkKey(key ?? (await readKey(resolve(endpoints.operatorKeyFile)))),
  };
}

/** What a request of a chat is signed with. @throws LongshoreError `USAGE` */
export async function findChatSecret(chat: 'slack' | 'teams', file: string | undefined, config: CliConfig) {
  if (file !== undefined) return await readKey(pathOf(file, config));
  const path = (await readEndpoints(config)).chatSecretFiles?.[chat];
  if (path !== undefined) return await readKey(resolve(path));
  throw new LongshoreError('USAGE', 'The instance has no secret for chats.', { hint: 'Give --secret-file FILE.' });
}

/** What a channel of the simulated chat took, as JSON lines. @throws LongshoreError `USAGE` */
export async function readChatNotices(config: CliConfig): Promise<string> {
  const path = (await readEndpoints(config)).chatNoticesFile;
  if (path === undefined)
    throw new LongshoreError('USAGE', 'The instance has no simulated chat.', { hint: 'Start it again: `npm start`.' });
  return await readFile(resolve(path), 'utf8').catch(() => '');
}

async function readKey(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text !== undefined) return text.trim();
  throw new LongshoreError('USAGE', `The key file ${path} cannot be read.`);
}

/** What cannot be in a header would be an error that quotes it. */
function checkKey(key: string): string {
  if (/^[\x21-\x7e]{1,500}$/.test(key)) return key;
  throw new LongshoreError('USAGE', 'The API key is not one line of printable characters.');
}

function parseAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new LongshoreError('USAGE', `The address ${JSON.stringify(text)} is not an http or https URL.`);
}

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));

/** The homes that may be meant: the one that was named, else that of the directory, else the checkout's. */
function homesOf(config: CliConfig): Set<string> {
  const home = config.LONGSHORE_HOME;
  if (home !== undefined) return new Set([resolve(home), pathOf(home, config)]);
  return new Set([pathOf('.longshore', config), resolve(CHECKOUT, '.longshore')]);
}

async function readEndpoints(config: CliConfig): Promise<z.infer<typeof endpointsSchema>> {
  const homes = homesOf(config);
  for (const home of homes) {
    const text = await readFile(join(home, 'endpoints.json'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const parsed = endpointsSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new LongshoreError('USAGE', `${join(home, 'endpoints.json')} is not what npm start writes.`);
  }
  throw new LongshoreError('USAGE', `There is no instance in ${[...homes].join(' or ')}, and no address was given.`, {
    hint: 'Run `npm start` first, or give --api URL and --key-file FILE.',
  });
}
