/** What every connection does: to the servers of others, where they are installed. */
import { useRemotes } from '#testkit/checks/use-remotes.ts';
import { FURTHER_SERVERS } from '#testkit/servers/partner-file-servers.ts';

useRemotes(FURTHER_SERVERS);
