/** The command line, in this process, with an API and a key. */
import { PassThrough, Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { runCli } from '#cli/run-cli.ts';

export function longshoreAt(address: string, key: string) {
  return async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const [out, err] = [readText(stdout), readText(stderr)];
    const env = { LONGSHORE_API: address, LONGSHORE_API_KEY: key };
    const code = await runCli(args, { stdin: Readable.from(['']), stdout, stderr }, env);
    stdout.end();
    stderr.end();
    return { code, out: await out, err: await err };
  };
}
