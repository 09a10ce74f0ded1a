/** What every connection does: to our own servers, and to OpenSSH where it is installed. */
import { useRemotes } from '#testkit/checks/use-remotes.ts';
import { COMMON_SERVERS } from '#testkit/servers/partner-file-servers.ts';

useRemotes(COMMON_SERVERS);
