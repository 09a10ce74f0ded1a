/** `npm run bench -- <name>`: measurements that carry their own yardstick, so that a ratio holds on any machine. */
import { Command, InvalidArgumentError } from 'commander';

const program = new Command('bench').description('Measure Longshore against the ceiling of its parts.');

program
  .command('queue')
  .description('our worker against bare sqs-consumer, on the same server in the same run')
  .option('--messages <count>', 'messages per run', positiveInteger, 10_000)
  .option('--slow-messages <count>', 'messages in the run of which 1 % take 2 s', positiveInteger, 1_000)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { messages: number; slowMessages: number; json: boolean }) => {
    const { runQueueBench } = await import('./queue.ts');
    await runQueueBench(options);
  });

program
  .command('pipeline')
  .description('files per second from put to terminal state, against the ceiling of the parts')
  .option('--files <count>', 'files to send', positiveInteger, 5_000)
  .option('--size <bytes>', 'size of each, e.g. 4KB', '4KB')
  .option('--finished <count>', 'finished jobs to put into the tables first', wholeNumber, 0)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { files: number; size: string; finished: number; json: boolean }) => {
    const { runPipelineBench } = await import('./pipeline.ts');
    await runPipelineBench(options);
  });

await program.parseAsync();

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Give a whole number of 1 or more.');
  return value;
}

function wholeNumber(text: string): number {
  return text === '0' ? 0 : positiveInteger(text);
}
