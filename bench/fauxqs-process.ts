/** A fauxqs in its own process, so that the server's work is not done on the measured process's thread. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

const START_TIMEOUT_MS = 15_000;

export interface FauxqsProcess {
  readonly clientOptions: {
    readonly region: string;
    readonly endpoint: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  stop(): Promise<void>;
}

export async function startFauxqsProcess(): Promise<FauxqsProcess> {
  const child = fork(new URL('./fauxqs-server.ts', import.meta.url));
  const exited = once(child, 'exit');
  const [message] = (await once(child, 'message', { signal: AbortSignal.timeout(START_TIMEOUT_MS) })) as unknown[];
  const { endpoint } = message as { endpoint: string };
  return {
    // fauxqs checks no credentials.
    clientOptions: { region: 'us-east-1', endpoint, credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' } },
    async stop() {
      child.kill();
      await exited;
    },
  };
}
