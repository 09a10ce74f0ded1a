/**
 * Where a service may go besides AWS and HTTPS: networks and ports of partners, external stores and receivers of notices, and the mail
 * server. All of it is off until the settings name it; the variables let the code call an address, the rules let the task.
 */
import type { DeploySettings } from '../settings.ts';
import { REACH_VARIABLES, type ServiceAccess } from './service-access.ts';

export interface OutwardRule {
  readonly network: string;
  readonly port: number;
  readonly description: string;
}

const HTTPS = 443;

export function outwardVariables(
  { reach, mail, scanner }: DeploySettings,
  { reaches }: ServiceAccess,
): Record<string, string> {
  const networks = reachesIn(reach, reaches).map(([kind, { networks }]) => [REACH_VARIABLES[kind], networks.join(',')]);
  return {
    ...Object.fromEntries(networks),
    ...(mail !== undefined && reaches.includes('mail') && mailVariables(mail)),
    ...(scanner !== undefined && reaches.includes('scanner') && { LONGSHORE_CLAMD: `${scanner.host}:${scanner.port}` }),
  };
}

/** Next to HTTPS to everywhere, which every service has. */
export function outwardRules({ reach, mail, scanner }: DeploySettings, { reaches }: ServiceAccess): OutwardRule[] {
  const rules = reachesIn(reach, reaches).flatMap(([kind, { networks, ports }]) =>
    networks.flatMap((network) =>
      ports.filter((port) => port !== HTTPS).map((port) => ({ network, port, description: `${kind} of the settings` })),
    ),
  );
  const toServer = (server: { readonly networks: readonly string[]; readonly port: number } | undefined, of: string) =>
    (server?.networks ?? []).map((network) => ({
      network,
      port: server?.port ?? HTTPS,
      description: `the ${of} of the settings`,
    }));
  return [
    ...rules,
    ...(reaches.includes('mail') ? toServer(mail, 'mail server') : []),
    ...(reaches.includes('scanner') ? toServer(scanner, 'scanner') : []),
  ];
}

type Networks = NonNullable<DeploySettings['reach'][keyof typeof REACH_VARIABLES]>;

function reachesIn(
  reach: DeploySettings['reach'],
  reaches: ServiceAccess['reaches'],
): [keyof typeof REACH_VARIABLES, Networks][] {
  const kinds = Object.keys(REACH_VARIABLES) as (keyof typeof REACH_VARIABLES)[];
  return kinds.flatMap((kind) => {
    const networks = reaches.includes(kind) ? reach[kind] : undefined;
    return networks === undefined ? [] : [[kind, networks]];
  });
}

function mailVariables({ host, port, tls, from, user, passwordSecret }: NonNullable<DeploySettings['mail']>) {
  return {
    LONGSHORE_SMTP_HOST: host,
    LONGSHORE_SMTP_PORT: String(port),
    LONGSHORE_SMTP_TLS: tls,
    LONGSHORE_SMTP_FROM: from,
    ...(user !== undefined && { LONGSHORE_SMTP_USER: user }),
    ...(passwordSecret !== undefined && { LONGSHORE_SMTP_PASSWORD_SECRET: passwordSecret }),
  };
}
