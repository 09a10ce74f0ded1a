/**
 * Which API, and with which key: from the options, else the environment, else the one-machine stack's `endpoints.json`.
 *
 * A key of the one-machine stack is sent to its own address only, never to one that was given.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import type { CliConfig } from './config.ts';

export interface Connection {
  readonly api: URL;
  readonly key: string;
}

export interface ConnectionOptions {
  readonly api?: string;
  readonly keyFile?: string;
}

const endpointsSchema = z.object({ api: z.string(), operatorKeyFile: z.string() });

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

/** A path that the user gave: from where the command was called, which under `npm run` is not where it works. */
export function pathOf(path: string, config: CliConfig): string {
  return resolve(config.INIT_CWD ?? '', path);
}

async function readKey(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text !== undefined) return text.trim();
  throw new LongshoreError('USAGE', `The key file ${path} cannot be read.`);
}

/** What cannot stand in a header would be an error that quotes it. */
function checkKey(key: string): string {
  if (/^[\x21-\x7e]{1,500}$/.test(key)) return key;
  throw new LongshoreError('USAGE', 'The API key is not one line of printable characters.');
}

function parseAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new LongshoreError('USAGE', `The address ${JSON.stringify(text)} is not an http or https URL.`);
}

async function readEndpoints(config: CliConfig): Promise<z.infer<typeof endpointsSchema>> {
  // The home is the checkout's, unless the command is called from beside another one.
  for (const place of new Set([resolve(config.LONGSHORE_HOME), pathOf(config.LONGSHORE_HOME, config)])) {
    const text = await readFile(join(place, 'endpoints.json'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const parsed = endpointsSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new LongshoreError('USAGE', `${join(place, 'endpoints.json')} is not what npm start writes.`);
  }
  throw new LongshoreError(
    'USAGE',
    `There is no instance in ${resolve(config.LONGSHORE_HOME)}, and no address was given.`,
    {
      hint: 'Run `npm start` first, or give --api URL and --key-file FILE.',
    },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
