/** Calls another function and reads its answer. The client is of Lambda's runtime, which is the only place where it is needed. */
import { createRequire } from 'node:module';
import { LongshoreError } from '#shared/errors.ts';
import type { TransferAnswer } from './transfer-answer.ts';

const require = createRequire(import.meta.url);

interface LambdaSdk {
  readonly LambdaClient: new () => {
    send(command: unknown): Promise<{ readonly FunctionError?: string; readonly Payload?: Uint8Array }>;
  };
  readonly InvokeCommand: new (input: { readonly FunctionName: string; readonly Payload: string }) => unknown;
}

export function createInvocation(name: string): (event: unknown) => Promise<TransferAnswer> {
  const { LambdaClient, InvokeCommand } = require('@aws-sdk/client-lambda') as LambdaSdk;
  const client = new LambdaClient();
  return async (event) => {
    const { FunctionError, Payload } = await client.send(
      new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }),
    );
    if (FunctionError !== undefined || Payload === undefined)
      throw new LongshoreError(
        'DEPENDENCY_UNAVAILABLE',
        `The function ${name} failed: ${FunctionError ?? 'no answer'}.`,
      );
    return JSON.parse(Buffer.from(Payload).toString('utf8')) as TransferAnswer;
  };
}
