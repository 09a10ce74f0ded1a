/** `npm run bench -- <name>`: measurements that carry their own yardstick, so that a ratio holds on any machine. */
import { Command, InvalidArgumentError } from 'commander';
import type { ApiBenchOptions } from './api.ts';
import type { BranchesBenchOptions } from './branches.ts';
import type { CampaignListBenchOptions } from './campaign-list.ts';
import type { CampaignStatusBenchOptions } from './campaign-status.ts';
import type { CampaignsBenchOptions } from './campaigns.ts';
import type { ContentBenchOptions } from './content.ts';
import type { FairnessBenchOptions } from './fairness.ts';
import type { FlowsBenchOptions } from './flows.ts';
import type { GrowthBenchOptions } from './growth.ts';
import type { LanesBenchOptions } from './lanes.ts';
import type { RetentionBenchOptions } from './retention.ts';

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
  .command('chain')
  .description('chains of three no-op steps by our job engine, against pg-boss on the same PostgreSQL in the same run')
  .option('--chains <count>', 'chains per round', positiveInteger, 5_000)
  .option('--rounds <count>', 'rounds of each side, of which the median counts', positiveInteger, 3)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { chains: number; rounds: number; json: boolean }) => {
    const { runChainBench } = await import('./chain.ts');
    await runChainBench(options);
  });

program
  .command('pipeline')
  .description('files per second from put to terminal state, against the ceiling of the parts')
  .option('--files <count>', 'files to send', positiveInteger, 5_000)
  .option('--size <bytes>', 'size of each, e.g. 4KB', '4KB')
  .option('--directories <counts>', 'into so many directories, in turn, e.g. 1,50', counts, [1, 50])
  .option('--finished <count>', 'finished jobs to put into the tables first', wholeNumber, 0)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { files: number; size: string; directories: number[]; finished: number; json: boolean }) => {
    const { runPipelineBench } = await import('./pipeline.ts');
    await runPipelineBench(options);
  });

program
  .command('growth')
  .description('files per second and the clocks of the sweeper, with empty tables and with many finished files')
  .option('--finished <count>', 'finished files and jobs in the tables', wholeNumber, 1_000_000)
  .option('--with-history <count>', 'how many of them have steps, attempts and audit events', wholeNumber, 200_000)
  .option('--files <count>', 'files of a flood', positiveInteger, 1_000)
  .option('--floods <count>', 'floods to each fleet, in turn', positiveInteger, 4)
  .option('--rest <seconds>', 'for so long the clocks are read', positiveInteger, 30)
  .option('--json', 'print one JSON object', false)
  .action(async (options: GrowthBenchOptions) => {
    const { runGrowthBench } = await import('./growth.ts');
    await runGrowthBench(options);
  });

program
  .command('retention')
  .description('files per second while expired files are deleted, and how fast they are')
  .option('--rows <count>', 'rows that expire: five of each file, of its job and its steps', positiveInteger, 1_000_000)
  .option('--per-second <count>', 'files that are deleted in a second at most', positiveInteger, 500)
  .option('--files <count>', 'files of a flood', positiveInteger, 1_000)
  .option('--floods <count>', 'floods to each fleet, in turn', positiveInteger, 4)
  .option('--json', 'print one JSON object', false)
  .action(async (options: RetentionBenchOptions) => {
    const { runRetentionBench } = await import('./retention.ts');
    await runRetentionBench(options);
  });

program
  .command('fairness')
  .description('small files of one tenant alone, and while another tenant sends its worst content')
  .option('--files <count>', 'small files of a turn', positiveInteger, 100)
  .option('--per-second <count>', 'rate of the small files', positiveInteger, 5)
  .option('--turns <count>', 'turns of each format, alone and loaded', positiveInteger, 2)
  .option('--hostile <count>', 'hostile files at a time', positiveInteger, 4)
  .option('--formats <list>', 'such as "rows,records ndjson,xml"; all when absent', (text) => text.split(','))
  .option('--json', 'print one JSON object', false)
  .action(async (options: FairnessBenchOptions) => {
    const { runFairnessBench } = await import('./fairness.ts');
    await runFairnessBench(options);
  });

program
  .command('lanes')
  .description('files of the lane platinum, alone and during a flood in the lane bronze')
  .option('--files <count>', 'files of the flood', positiveInteger, 20_000)
  .option('--alone <count>', 'platinum files before the flood, and after it', positiveInteger, 100)
  .option('--per-second <count>', 'rate of the platinum files', positiveInteger, 2)
  .option('--flood <lane>', 'lane of the flood', 'bronze')
  .option('--json', 'print one JSON object', false)
  .action(async (options: LanesBenchOptions) => {
    const { runLanesBench } = await import('./lanes.ts');
    await runLanesBench(options);
  });

program
  .command('records')
  .description(
    'rows per second against \\copy, calls per second against a bare HTTP client, and next to a partner that hangs',
  )
  .option('--rows <count>', 'rows to parse', positiveInteger, 1_000_000)
  .option('--records <count>', 'records to carry through three calls', positiveInteger, 10_000)
  .option('--latency <ms>', 'how long the simulated partner takes for a call', wholeNumber, 10)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { rows: number; records: number; latency: number; json: boolean }) => {
    const { runRecordsBench } = await import('./records.ts');
    await runRecordsBench(options);
  });

program
  .command('audit')
  .description(
    'the chain of the audit over many lines: write, seal, count, export, verify, and find what was tampered with',
  )
  .option('--lines <count>', 'lines of one tenant', positiveInteger, 1_000_000)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { lines: number; json: boolean }) => {
    const { runAuditBench } = await import('./audit.ts');
    await runAuditBench(options);
  });

program
  .command('actions')
  .description('an action on many failed jobs: how long its preview takes, and jobs per second where no rate is set')
  .option('--jobs <count>', 'failed jobs that it takes', positiveInteger, 100_000)
  .option('--finished <count>', 'finished jobs next to them', wholeNumber, 500_000)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { jobs: number; finished: number; json: boolean }) => {
    const { runActionsBench } = await import('./actions.ts');
    await runActionsBench(options);
  });

program
  .command('api')
  .description(
    'lists, counts, search, timeline and overview with many files in the tables, and /status at a steady rate',
  )
  .option('--files <count>', 'finished files in the tables, with jobs and audit', positiveInteger, 1_000_000)
  .option('--history <count>', 'files of these with steps, attempts and audit', positiveInteger, 200_000)
  .option('--samples <count>', 'how often each is asked', positiveInteger, 200)
  .option('--rate <count>', 'requests of /status per second', positiveInteger, 500)
  .option('--seconds <count>', 'for so long', positiveInteger, 30)
  .option('--json', 'print one JSON object', false)
  .action(async (options: ApiBenchOptions) => {
    const { runApiBench } = await import('./api.ts');
    await runApiBench(options);
  });

program
  .command('console')
  .description('the console in Chromium: a list on a slow line and processor, and long lists scrolled to their end')
  .option('--files <count>', 'in the list of files', positiveInteger, 20_000)
  .option('--records <count>', 'of one job', positiveInteger, 100_000)
  .option('--lines <count>', 'of one timeline', positiveInteger, 20_000)
  .option('--samples <count>', 'how often the list is opened', positiveInteger, 5)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { files: number; records: number; lines: number; samples: number; json: boolean }) => {
    const { runConsoleBench } = await import('./console.ts');
    await runConsoleBench(options);
  });

program
  .command('large')
  .description('MB/s and memory of a large copy, against rclone and the bare ceiling')
  .option('--size <bytes>', 'size of the file, e.g. 2GB', '2GB')
  .option('--rounds <count>', 'rounds, of which the median counts', positiveInteger, 3)
  .option('--json', 'print one JSON object', false)
  .action(async (options: { size: string; rounds: number; json: boolean }) => {
    const { runLargeBench } = await import('./large.ts');
    await runLargeBench(options);
  });

program
  .command('flows')
  .description('pull, push and load, against rclone, OpenSSH sftp, curl, lftp and psql, and a long listing')
  .option('--mib <count>', 'size of the large file', positiveInteger, 300)
  .option('--files <count>', 'small files, 10 KB each', positiveInteger, 2_000)
  .option('--listed <count>', 'files in the directory that is listed', positiveInteger, 50_000)
  .option('--rows <count>', 'rows to load', positiveInteger, 200_000)
  .option('--rounds <count>', 'rounds, of which the median counts', positiveInteger, 3)
  .option('--race <text>', 'only races whose names have this text', '')
  .option('--json', 'print one JSON object', false)
  .action(async (options: FlowsBenchOptions) => {
    const { runFlowsBench } = await import('./flows.ts');
    await runFlowsBench(options);
  });

program
  .command('branches')
  .description('statements and processor time of PostgreSQL for five parallel steps, against the same five in line')
  .option('--files <count>', 'files of a round', positiveInteger, 500)
  .option('--rounds <count>', 'rounds of each way, of which the median counts', positiveInteger, 3)
  .option('--finished <count>', 'files that ended before', positiveInteger, 50_000)
  .option('--json', 'print one JSON object', false)
  .action(async (options: BranchesBenchOptions) => {
    const { runBranchesBench } = await import('./branches.ts');
    await runBranchesBench(options);
  });

program
  .command('content')
  .description('PGP against GnuPG, and scans against clamd itself, where they are installed')
  .option('--mib <count>', 'size of the file', positiveInteger, 64)
  .option('--rounds <count>', 'of each side, of which the median counts', positiveInteger, 3)
  .option('--json', 'print one JSON object', false)
  .action(async (options: ContentBenchOptions) => {
    const { runContentBench } = await import('./content.ts');
    await runContentBench(options);
  });

program
  .command('campaigns')
  .description('mails per second against a bare SDK loop, a held rate, reports folded in, and reads of a status')
  .option('--recipients <count>', 'recipients of a campaign', positiveInteger, 50_000)
  .option('--size <bytes>', 'of the HTML of a mail', positiveInteger, 20_000)
  .option('--seconds <count>', 'for so long the rate is held', positiveInteger, 60)
  .option('--workers <count>', 'partner-workers', positiveInteger, 1)
  .option('--events <count>', 'reports to fold in', positiveInteger, 50_000)
  .option('--json', 'print one JSON object', false)
  .action(async (options: CampaignsBenchOptions) => {
    const { runCampaignsBench } = await import('./campaigns.ts');
    await runCampaignsBench(options);
  });

program
  .command('campaign-list')
  .description(
    'a long list of recipients: rows per second, first mail, memory, status, and files of another tenant meanwhile',
  )
  .option('--recipients <count>', 'rows of the list', positiveInteger, 1_000_000)
  .option('--files <count>', 'small files of the other tenant, alone and meanwhile', positiveInteger, 300)
  .option('--per-second <count>', 'of them', positiveInteger, 5)
  .option('--json', 'print one JSON object', false)
  .action(async (options: CampaignListBenchOptions) => {
    const { runCampaignListBench } = await import('./campaign-list.ts');
    await runCampaignListBench(options);
  });

program
  .command('campaign-status')
  .description('reads of the status of a campaign with very many messages')
  .option('--messages <count>', 'of the campaign', positiveInteger, 10_000_000)
  .option('--json', 'print one JSON object', false)
  .action(async (options: CampaignStatusBenchOptions) => {
    const { runCampaignStatusBench } = await import('./campaign-status.ts');
    await runCampaignStatusBench(options);
  });

await program.parseAsync();

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Give a whole number of 1 or more.');
  return value;
}

function counts(text: string): number[] {
  return text.split(',').map(positiveInteger);
}

function wholeNumber(text: string): number {
  return text === '0' ? 0 : positiveInteger(text);
}
