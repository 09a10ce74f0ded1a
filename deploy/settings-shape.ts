/** What a settings file may say, key by key. What has to fit together is checked in `settings.ts`. */
import { z } from 'zod';
import { scheduledMinimumsSchema } from './scheduled-minimums.ts';

const port = z.number().int().min(1).max(65_535);
const cidr = z.cidrv4({ error: 'must be an IPv4 network such as 10.0.0.0/16' });

/** Addresses that may be called although they are private, and at which ports; public ones may be named for their ports. */
const networksSchema = z
  .strictObject({ networks: z.array(cidr).min(1), ports: z.array(port).min(1).default([443]) })
  .optional();

const receiversSchema = z.strictObject({
  emails: z.array(z.email()).default([]),
  /** A pager's or a chat's incoming webhook. */
  urls: z.array(z.url({ protocol: /^https$/ })).default([]),
});

/** Names of buckets and load balancers are made of it, also a standby's. */
export const LONGEST_PREFIX = 23;

/** Each has two of the 200 outputs that a stack may have. */
export const MOST_DOMAINS = 90;

const homeSchema = z.strictObject({
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region such as us-east-1'),
  prefix: z
    .string()
    .regex(
      /^[a-z](?:-?[a-z0-9]){0,22}$/,
      'must be lower case letters, digits and single hyphens, at most 23, begin with a letter and end with none',
    )
    .max(LONGEST_PREFIX),
  cidr,
  /** Of its standby's network in the other region; of a pair only. */
  standbyCidr: cidr.optional(),
  /**
   * The prefix list of Route 53's health checkers in this region, of a pair only: `aws ec2 describe-managed-prefix-lists --filters
   * Name=prefix-list-name,Values=com.amazonaws.<region>.route53-healthchecks`.
   */
  healthCheckers: z
    .string()
    .regex(/^pl-[0-9a-f]{8,17}$/, 'must be the id of a prefix list, such as pl-0123456789abcdef0')
    .optional(),
  availabilityZones: z.array(z.string()).min(2).max(3),
  /** Tasks that are ready for the bursts that come at known hours. */
  scheduledMinimums: scheduledMinimumsSchema,
});

export const settingsShape = z.strictObject({
  size: z.enum(['dev', 'prod']),
  /** The one account that may be deployed to; the account of whoever deploys when absent. */
  account: z
    .string()
    .regex(/^\d{12}$/, 'must be twelve digits, in quotes')
    .optional(),
  /** What an organisation asks of every deployment in its accounts. */
  deployment: z
    .strictObject({
      /** The name of a policy that bounds every role of the stacks. */
      permissionsBoundary: z.string().min(1).max(128).optional(),
      /** Of `cdk bootstrap --qualifier`. */
      qualifier: z
        .string()
        .regex(/^[a-z0-9]{1,10}$/, 'must be at most ten lower case letters and digits')
        .optional(),
    })
    .default({}),
  /** Of tasks and functions, and of the image. */
  architecture: z.enum(['arm64', 'amd64']).default('arm64'),
  homes: z.array(homeSchema).min(1).max(2),
  /** The hosted zone under which `sftp.`, `api.` and `partners.` stand. */
  domain: z.strictObject({ zoneId: z.string(), zoneName: z.string() }),
  /** `private`: SFTP and the control API have addresses of their networks alone, which partners reach by VPN or Direct Connect. */
  doors: z.enum(['public', 'private']).default('public'),
  sftp: z.strictObject({
    allowedCidrs: z.array(cidr).min(1),
    /** The identity provider that checks passwords; keys alone when absent. */
    passwords: z
      .strictObject({
        /** Its token endpoint, for the grant `password` of OAuth 2. */
        url: z.url({ protocol: /^https$/ }),
        clientId: z.string().min(1),
        /** Below `<prefix>/tenants/` in Secrets Manager. */
        clientSecret: z.string().optional(),
        scope: z.string().optional(),
      })
      .optional(),
  }),
  /** Who reaches the control API; the WAF and its keys are behind. */
  api: z.strictObject({ allowedCidrs: z.array(cidr).min(1) }),
  /** API Gateway with the authorizer before partners' APIs; none when absent. */
  partnerApis: z
    .strictObject({
      backendUrl: z.url({ protocol: /^https$/ }),
      /** By region, the Network Load Balancer in front of a backend that has no public address. */
      loadBalancers: z
        .record(
          z.string(),
          z
            .string()
            .regex(
              /^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:loadbalancer\/net\//,
              'must be the ARN of a Network Load Balancer',
            ),
        )
        .optional(),
      issuer: z.string(),
      audience: z.string(),
      jwksUrl: z.url({ protocol: /^https$/ }),
      rules: z.array(z.strictObject({ method: z.string(), path: z.string(), scopes: z.array(z.string()) })).min(1),
    })
    .optional(),
  /** Object lock of the archive in compliance mode: nobody deletes a version before. None when absent; set before the first deployment. */
  archiveLockDays: z.number().int().min(1).max(36_500).optional(),
  /** Buckets of others that routes deliver to. */
  externalBuckets: z.array(z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)).default([]),
  /** Keys that those buckets are encrypted with. */
  externalKeys: z
    .array(z.string().regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[a-zA-Z0-9-]+$/, 'must be the ARN of a key'))
    .default([]),
  /** Where services may go besides public addresses at port 443; nowhere when absent. */
  reach: z
    .strictObject({
      partners: networksSchema,
      stores: networksSchema,
      remotes: networksSchema,
      notices: networksSchema,
    })
    .default({}),
  /** The mail server for notices; none when absent. */
  mail: z
    .strictObject({
      host: z.string().min(1).max(253),
      port: port.default(587),
      tls: z.enum(['starttls', 'implicit', 'none']).default('starttls'),
      from: z.string(),
      user: z.string().optional(),
      /** Below `<prefix>/tenants/` in Secrets Manager. */
      passwordSecret: z.string().optional(),
      /** Of the server, whose addresses may change. */
      networks: z.array(cidr).min(1).default(['0.0.0.0/0']),
    })
    .optional(),
  /** Campaigns through Amazon SES; none are sent when absent. */
  campaigns: z
    .strictObject({
      /** That mails come from; each its own domain, such as `mail.globex.example`. */
      domains: z
        .array(z.string().regex(/^(?=.{4,200}$)(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/, 'must be a domain'))
        .min(1)
        .max(MOST_DOMAINS),
    })
    .optional(),
  /** clamd, for the step `scan`; files wait at it when absent. */
  scanner: z
    .strictObject({
      host: z.string().min(1).max(253),
      port: port.default(3310),
      networks: z.array(cidr).min(1),
    })
    .optional(),
  /** GuardDuty scans what arrives in landing and tags it, for the step `scan` with `engine: guardduty`. It is billed by the byte. */
  malwareProtection: z.boolean().default(false),
  /** How people sign in to the console and the portal; nobody does when absent. */
  signIn: z
    .strictObject({
      consoleOrigin: z.url({ protocol: /^https$/ }),
      portalOrigin: z.url({ protocol: /^https$/ }).optional(),
      oidc: z
        .strictObject({
          issuer: z.url({ protocol: /^https$/ }),
          clientId: z.string().min(1),
          /** Below `<prefix>/tenants/` in Secrets Manager. */
          clientSecret: z.string().optional(),
          scopes: z.string().optional(),
          rolesClaim: z.string().optional(),
          roles: z.record(z.string(), z.string()),
          /** Where a provider is that has no public address. */
          networks: z.array(cidr).default([]),
        })
        .optional(),
    })
    .optional(),
  /** Links by which people without an account release files, and recipients unsubscribe; there are none when absent. */
  links: z
    .strictObject({
      /** What they are signed with; below `<prefix>/tenants/` in Secrets Manager. */
      secret: z.string(),
      /** What they begin with: where people reach the API. */
      publicUrl: z.url({ protocol: /^https$/ }),
    })
    .optional(),
  /** Who may ask in chats. Secrets are below `<prefix>/tenants/` in Secrets Manager; those of Teams are `chat/teams-<webhook>`. */
  chat: z
    .strictObject({
      slack: z
        .strictObject({
          signingSecret: z.string(),
          /** For the dialogs of Release and Reject. */
          botToken: z.string().optional(),
          /** Workspaces, and the tenant whose files each sees; `*` is every tenant. */
          workspaces: z.record(z.string(), z.string()),
        })
        .optional(),
      /** Outgoing webhooks, likewise. */
      teams: z.record(z.string(), z.string()).default({}),
    })
    .optional(),
  /** For operators: actions on more rows take a second person, and what must be in reasons (RE2), such as `INC-\\d+`. */
  rules: z
    .strictObject({
      approvalOver: z.number().int().min(0).max(100_000).optional(),
      reasonPattern: z.string().min(1).max(200).optional(),
    })
    .optional(),
  /** Lanes whose steps have their own tasks, scaled on the queue of the lane; the other partner-workers take the rest. */
  ownLanes: z
    .array(z.enum(['platinum', 'bronze']))
    .refine((lanes) => new Set(lanes).size === lanes.length, { error: 'names a lane twice' })
    .default([]),
  /** What receipts are signed with; there are no receipts when absent. */
  receipts: z
    .strictObject({
      /** Below `<prefix>/tenants/` in Secrets Manager. */
      secret: z.string(),
    })
    .optional(),
  alarms: receiversSchema.extend({
    /** Where alarms go that can wait for the morning; where the others go when absent. */
    tickets: receiversSchema.optional(),
    /** More waiting files than this in one queue call somebody: above the largest burst that is usual. */
    backlogFiles: z.number().int().min(1).default(100_000),
  }),
  /** Traces; none when absent. The endpoint is an OTLP receiver over HTTP that all subnets of the fleet reach, by HTTPS at its own port. */
  traces: z
    .strictObject({
      endpoint: z
        .url({ protocol: /^https$/ })
        .refine((url) => new URL(url).port === '', { error: 'must be on port 443: tasks may go to no other' }),
      /** Of the files. */
      share: z.number().min(0).max(1).default(1),
      /** A secret of each region with headers for the receiver, such as `authorization=Bearer%20...`; none when absent. */
      headersSecret: z
        .string()
        .regex(/^[A-Za-z0-9/_+=.@-]{1,500}$/, 'must be the name of a secret')
        .optional(),
    })
    .optional(),
  /** What the images are built from, see `deploy/Dockerfile`. */
  images: z
    .strictObject({
      node: z.string().default('public.ecr.aws/docker/library/node:24-bookworm-slim'),
      collector: z.string().default('public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3'),
      /** The authorities of Amazon RDS; those that it publishes when absent. */
      rdsCaBundle: z
        .string()
        .regex(/^(https:\/\/|deploy\/certificates\/)/, 'must be an https address, or a file in deploy/certificates/')
        .optional(),
      /** A file with an npm registry of one's own and its token, from where the settings stand. It gets into no layer. */
      npmrc: z.string().min(1).optional(),
    })
    .prefault({}),
  /** What an account may have already, hence by choice. */
  audit: z
    .strictObject({
      /** Who changed what, in IAM too. */
      cloudTrailManagementEvents: z.boolean().default(false),
      /** Who read and wrote which object. */
      cloudTrailDataEvents: z.boolean().default(false),
      config: z.boolean().default(false),
      guardDuty: z.boolean().default(false),
      /** GuardDuty's agent in every task: it takes 128 MiB of the task's memory or more, and is billed by the processor. */
      guardDutyRuntime: z.boolean().default(false),
      macie: z.boolean().default(false),
      /** Connections that the flow logs of the network have: what was refused, or all, which is billed by the connection. */
      flowLogs: z.enum(['rejected', 'all']).default('rejected'),
    })
    .prefault({}),
  /** Snapshots in a vault of AWS Backup, next to those that Aurora makes itself; none when absent. */
  backup: z
    .strictObject({
      /** How long each is kept. */
      days: z.number().int().min(7).max(36_500),
      /** Three days after the vault is made nobody deletes a snapshot before its time, the account's root user included. */
      isLocked: z.boolean().default(false),
      /** By region, the vault that gets a copy of each: of another account in the same region, or of this one in another region. */
      copyTo: z
        .record(
          z.string(),
          z
            .string()
            .regex(
              /^arn:aws[a-z-]*:backup:[a-z0-9-]+:\d{12}:backup-vault:[a-zA-Z0-9_-]{2,50}$/,
              'must be the ARN of a backup vault',
            ),
        )
        .optional(),
      /** Objects of landing, archive, delivered and evidence too. They are stored once more, and their retention does not reach them there. */
      buckets: z.boolean().default(false),
    })
    .optional(),
  /** The region that failed: its standby in the other one is brought to work. */
  failedOver: z.string().optional(),
  /** The region that failed is back: what its standby has written since is copied to it, with the same version ids. */
  returning: z.boolean().default(false),
});
