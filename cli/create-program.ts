/** The command and all commands below it, as the help, the completion and the reference describe them. */
import tab from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { VERSION } from '#shared/runtime/version.ts';
import type { Cli } from './command-context.ts';
import { addAccessCommands } from './commands/access.ts';
import { addActions } from './commands/actions.ts';
import { addApply } from './commands/apply.ts';
import { addAudit } from './commands/audit.ts';
import { addBatches } from './commands/batches.ts';
import { addTemplates } from './commands/campaign-uploads.ts';
import { addCampaigns } from './commands/campaigns.ts';
import { addConsole } from './commands/console.ts';
import { addDeadLetterCommands } from './commands/dead-letters.ts';
import { addDrill } from './commands/drill.ts';
import { addEffects } from './commands/effects.ts';
import { addExpectations } from './commands/expectations.ts';
import { addFiles } from './commands/files.ts';
import { addHealth } from './commands/health.ts';
import { addJobCommands } from './commands/jobs.ts';
import { addKeyCommands, addWhoAmI } from './commands/keys.ts';
import { addListJobs } from './commands/list-jobs.ts';
import { addNotices } from './commands/notices.ts';
import { addOverview } from './commands/overview.ts';
import { addPeopleCommands } from './commands/people.ts';
import { addProposals } from './commands/proposals.ts';
import { addPullCommands } from './commands/pulls.ts';
import { addReceipts } from './commands/receipts.ts';
import { addRecords } from './commands/records.ts';
import { addLegalHold, addRestore, addRetention } from './commands/retention.ts';
import { addRetry } from './commands/retry.ts';
import { addReviews } from './commands/reviews.ts';
import { addRouteCommands } from './commands/routes.ts';
import { addSearch } from './commands/search.ts';
import { addSettings } from './commands/settings.ts';
import { addSftpSessions } from './commands/sftp-sessions.ts';
import { addSimulate } from './commands/simulate.ts';
import { addSimulateChat } from './commands/simulate-chat.ts';
import { addStatus } from './commands/status.ts';
import { addSuppressions } from './commands/suppressions.ts';
import { addTimeline } from './commands/timeline.ts';
import { addUploadCommands } from './commands/uploads.ts';
import { addUsage } from './commands/usage.ts';
import { addWatch } from './commands/watch.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';

const COMMANDS = [
  addHealth,
  addApply,
  addSimulate,
  addStatus,
  addFiles,
  addOverview,
  addSearch,
  addUploadCommands,
  addTimeline,
  addWatch,
  addListJobs,
  addJobCommands,
  addRecords,
  addRetry,
  addActions,
  addProposals,
  addEffects,
  addBatches,
  addExpectations,
  addCampaigns,
  addTemplates,
  addSuppressions,
  addReceipts,
  addRetention,
  addLegalHold,
  addRestore,
  addDeadLetterCommands,
  addNotices,
  addRouteCommands,
  addPullCommands,
  addKeyCommands,
  addWhoAmI,
  addConsole,
  addPeopleCommands,
  addAccessCommands,
  addAudit,
  addSftpSessions,
  addUsage,
  addSettings,
  addReviews,
  addSimulateChat,
  addDrill,
];

export function createProgram(cli: Cli): Command {
  const program = new Command('longshore')
    .description('Shows where files are and what happened to them, and lets operators act on them.')
    .version(VERSION, '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({ writeOut: cli.terminal.write, writeErr: cli.terminal.writeError })
    // A command below another has its own options, also where both have one of that name.
    .enablePositionalOptions()
    .showHelpAfterError('Run the command with --help for its options.')
    .addHelpText('after', EXIT_CODES_HELP);
  for (const add of COMMANDS) add(program, cli);
  tab(program, { completionCommandName: 'completion' });
  return program;
}
