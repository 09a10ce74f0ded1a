/** What `npm start` prints when everything is ready: every address that a newcomer needs, and one command to try. */
import type { Endpoints, TenantAccess } from '#local/launcher/endpoints.ts';

export interface StackDescription {
  readonly endpoints: Endpoints;
  readonly home: string;
  readonly tookMs: number;
  /** Signs in to the console, once. */
  readonly consoleLink: string | undefined;
}

export function describeStack({ endpoints, home, tookMs, consoleLink }: StackDescription): string[] {
  const rows: [string, string][] = [
    ['Console', `${endpoints.api}/console`],
    ...(consoleLink === undefined
      ? []
      : [['Sign in', `${consoleLink}  (once, within 2 minutes; then \`longshore console\`)`] as [string, string]]),
    ['API', `${endpoints.api}  (operator key: ${endpoints.operatorKeyFile})`],
    ['SFTP', `${endpoints.sftp.host}:${endpoints.sftp.port}`],
    ['S3', endpoints.s3],
    ['SQS, SNS', endpoints.sqs],
    ['PostgreSQL', withoutPassword(endpoints.postgres)],
    ['Partner', `${endpoints.gateway}  (simulated; what it saw: ${endpoints.partnerSimulator}/_ledger/summary)`],
    ['Mail', `${endpoints.ses}  (the inbox of campaigns)`],
    ['Metrics', ''],
    ...Object.entries(endpoints.metrics).map(([service, url]): [string, string] => [`  ${service}`, url]),
    ['Home', `${home}  (endpoints.json, logs/, keys/)`],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const [tenant] = Object.entries(endpoints.tenants);
  return [
    'Longshore is ready',
    ...rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`.trimEnd()),
    ...(tenant === undefined ? [] : [`  Try it: ${tryCommand(endpoints, tenant[1])}`]),
    `  Started in ${(tookMs / 1_000).toFixed(1)} s; Ctrl-C stops everything.`,
  ];
}

function tryCommand({ sftp }: Endpoints, { sftpUser, privateKeyFile }: TenantAccess): string {
  const host = `-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null`;
  return `sftp -P ${sftp.port} -i ${privateKeyFile} ${host} ${sftpUser}@${sftp.host}`;
}

function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return `${shown.href}  (the password is in endpoints.json)`;
}
