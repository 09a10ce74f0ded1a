/** The variables of a service on AWS, as its own schema reads them. */
import { MEMORY_VARIABLES } from '#shared/runtime/config/memory.ts';
import { FLEET_SIZES } from '../sizes.ts';
import { DATABASE_NAME } from '../stacks/data-stack.ts';
import type { Fleet } from '../stacks/fleet-stack.ts';
import { chatVariables } from './chat-variables.ts';
import { outwardVariables } from './outward.ts';
import { ruleVariables } from './rule-variables.ts';
import { SERVICE_ACCESS } from './service-access.ts';
import type { CatalogueEntry } from './service-catalogue.ts';
import { signInVariables } from './sign-in-variables.ts';

/** As in the image, see `deploy/Dockerfile`. */
const CA_BUNDLE = '/etc/longshore/rds-ca.pem';

export const PLATFORM_VARIABLES = {
  NODE_ENV: 'production',
  ...MEMORY_VARIABLES,
  NODE_EXTRA_CA_CERTS: CA_BUNDLE,
};

export interface EnvironmentFacts extends Fleet {
  readonly region: string;
  readonly isHome: boolean;
}

export function serviceEnvironment(
  { name, variables }: CatalogueEntry,
  fleet: EnvironmentFacts,
): Record<string, string> {
  const { home, place, prefix, role, settings, region, isHome } = fleet;
  const { databaseUser } = SERVICE_ACCESS[name];
  const secrets: Record<string, string> = SERVICE_ACCESS[name].readsSecrets
    ? { LONGSHORE_SECRETS_PREFIX: `${home.prefix}/tenants/` }
    : {};
  const receipts: Record<string, string> =
    SERVICE_ACCESS[name].usesReceiptKeys && settings.receipts !== undefined
      ? { LONGSHORE_RECEIPT_SECRET: settings.receipts.secret }
      : {};
  const links: Record<string, string> =
    settings.links === undefined
      ? {}
      : {
          ...(SERVICE_ACCESS[name].links !== 'none' && { LONGSHORE_LINK_SECRET: settings.links.secret }),
          ...(SERVICE_ACCESS[name].links === 'writes' && { LONGSHORE_PUBLIC_URL: settings.links.publicUrl }),
        };
  const people: Record<string, string> =
    name === 'control-api'
      ? {
          LONGSHORE_API_TLS: 'self-signed',
          LONGSHORE_API_TRUSTED_PROXIES: place.cidr,
          ...signInVariables(settings),
          ...chatVariables(settings),
          ...ruleVariables(settings),
        }
      : {};
  const retention: Record<string, string> =
    name === 'retry-sweeper' ? { LONGSHORE_FILE_RETENTION_DAYS: String(FLEET_SIZES[settings.size].archiveDays) } : {};
  // Of a pair, each carries for its tenants, also where its standby does.
  const regions: Record<string, string> =
    settings.homes.length > 1 && (name === 'router' || name === 'control-api')
      ? { LONGSHORE_HOME_REGIONS: home.region }
      : {};
  return {
    // Its address is known when the database is made: until then the user is what the schema can check.
    DATABASE_URL: `postgres://${databaseUser}@${role}.invalid:5432/${DATABASE_NAME}?sslmode=verify-full`,
    DATABASE_IAM_AUTH: 'true',
    AWS_REGION: region,
    LONGSHORE_PREFIX: prefix,
    // Rows name the home's buckets, wherever they are read.
    ...(!isHome && { LONGSHORE_RECORDED_PREFIX: home.prefix }),
    ...variables,
    ...secrets,
    ...receipts,
    ...links,
    ...people,
    ...retention,
    ...regions,
    ...outwardVariables(settings, SERVICE_ACCESS[name]),
    ...tracing(settings.traces),
  };
}

/** By the trace id, so that every service takes the same files. */
function tracing(traces: Fleet['settings']['traces']): Record<string, string> {
  if (traces === undefined) return {};
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: traces.endpoint,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(traces.share),
  };
}

/** Variables whose value is the name of a secret of the fleet's own. */
const OWN_SECRET_VARIABLES = [
  'LONGSHORE_LINK_SECRET',
  'LONGSHORE_OIDC_CLIENT_SECRET_NAME',
  'LONGSHORE_RECEIPT_SECRET',
  'LONGSHORE_SLACK_BOT_TOKEN',
  'LONGSHORE_SLACK_SIGNING_SECRET',
  'LONGSHORE_SMTP_PASSWORD_SECRET',
];

/** As they are named below `<prefix>/tenants/`. */
export function ownSecretsIn(environment: Readonly<Record<string, string>>): string[] {
  const named = OWN_SECRET_VARIABLES.flatMap((variable) => environment[variable] ?? []);
  const teams = environment.LONGSHORE_TEAMS_WEBHOOKS?.split(',').map((pair) => `chat/teams-${pair.split('=')[0]}`);
  return [...named, ...(teams ?? [])];
}
