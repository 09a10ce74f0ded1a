/** `push` to the servers of others, where they are installed. */
import { pushFiles } from '#testkit/checks/push-files.ts';
import { FURTHER_SERVERS } from '#testkit/servers/partner-file-servers.ts';

pushFiles(FURTHER_SERVERS);
