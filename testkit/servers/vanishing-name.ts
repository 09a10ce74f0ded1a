/**
 * For a process that is started with `--import .../vanishing-name.ts?while=FILE`: the host `database.test` is this machine as long as the file is
 * there, and resolves nowhere otherwise.
 */
import dns from 'node:dns';
import { existsSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const file = new URL(import.meta.url).searchParams.get('while') ?? '';
const lookUp = dns.lookup as unknown as (host: string, options: object, done: (...answer: unknown[]) => void) => void;

Object.assign(dns, {
  lookup(host: string, options: object, done: (...answer: unknown[]) => void) {
    if (host !== 'database.test') lookUp(host, options, done);
    else if (existsSync(file)) lookUp('127.0.0.1', options, done);
    else process.nextTick(done, Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }));
  },
});
syncBuiltinESMExports();
