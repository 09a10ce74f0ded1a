/**
 * What a YAML document of a remote may say: a server with files that is not ours. Where it is, who we are there, who it must be, which of its
 * places we touch, and what it bears.
 *
 * 1. Unknown keys are faults: a misspelt option must not be passed over in silence.
 * 2. Secrets are named, never written: a definition can be shown to anyone who may see the tenant.
 * 3. Nobody is trusted on first use: SFTP needs the server's host keys, all others a certificate of a known authority or a pinned key.
 * 4. What is not below one of `paths` is never touched. `/` must be written out.
 */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { idSchema, secretNameSchema } from '#shared/definitions/name-schemas.ts';
import {
  constantAuthSchemas,
  headerNameSchema,
  jsonTemplateSchema,
  templateSchema,
  valuePathSchema,
} from '#shared/definitions/partner-schema.ts';
import { UNSAFE_IN_NAMES } from '#shared/definitions/routes/canonical-key.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import { compilePath, compileText } from '#shared/partners/request-template.ts';

const SECOND_MS = 1_000;
const MOST_PATH_BYTES = 1_024;
/** Slower ones look like connections that stand still. */
const LEAST_PACE_BYTES = 64_000;
const HOST =
  /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*\.?$/;

const hostSchema = z.union([z.ipv4(), z.ipv6(), z.string().regex(HOST)], {
  error: 'must be a host name or an IP address',
});

/** As `ssh-keygen -l` shows it. */
const hostKeySchema = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be a fingerprint such as SHA256:uD0s... (43 characters after the colon)');

/** Of the public key of a certificate, as browsers pin it. */
const certificatePinSchema = z
  .string()
  .regex(/^sha256\/[A-Za-z0-9+/]{43}=$/, 'must be sha256/ and 44 characters of base64');

const remotePrefixSchema = z.string().refine(isCanonicalPrefix, {
  error: 'must begin and end with "/", without "..", ".", "//", backslash or control characters',
});

const shared = {
  kind: z.literal('remote'),
  tenant: idSchema,
  name: idSchema,
  description: z.string().max(500).optional(),
  host: hostSchema,
  port: z.int().min(1).max(65_535).optional(),
  user: z
    .string()
    .min(1)
    .max(256)
    .refine((user) => !UNSAFE_IN_NAMES.test(user), { error: 'must not have control characters' }),
  paths: z.array(remotePrefixSchema).min(1).max(100),
  limits: z
    .strictObject({
      /** Over all processes of the fleet. */
      connections: z.int().min(1).max(100).default(4),
      /** Over all of them together. */
      bytesPerSecond: sizeSchema.optional(),
    })
    .refine(({ connections, bytesPerSecond }) => (bytesPerSecond ?? Infinity) >= connections * LEAST_PACE_BYTES, {
      error: 'must be at least 64KB for each connection; allow fewer connections',
      path: ['bytesPerSecond'],
    })
    .default({ connections: 4 }),
  timeouts: z
    .strictObject({
      connect: durationSchema({ minMs: SECOND_MS, maxMs: 120 * SECOND_MS }).default(15 * SECOND_MS),
      /** Without a byte, or an answer. */
      stall: durationSchema({ minMs: SECOND_MS, maxMs: 600 * SECOND_MS }).default(60 * SECOND_MS),
    })
    .default({ connect: 15 * SECOND_MS, stall: 60 * SECOND_MS }),
};

/** Of SSH: what rests on SHA-1 or CBC, and what old servers have nothing better than. */
export const LEGACY_ALGORITHMS = [
  'ssh-rsa',
  'diffie-hellman-group14-sha1',
  'diffie-hellman-group-exchange-sha1',
  'hmac-sha1',
  'aes128-cbc',
  'aes192-cbc',
  'aes256-cbc',
] as const;
export type LegacyAlgorithm = (typeof LEGACY_ALGORITHMS)[number];

const sftpRemoteSchema = z
  .strictObject({
    ...shared,
    type: z.literal('sftp'),
    password: secretNameSchema.optional(),
    /** In OpenSSH or PEM form. */
    privateKey: secretNameSchema.optional(),
    passphrase: secretNameSchema.optional(),
    /** More than one, so that the next key is known before the server changes to it. */
    hostKeys: z.array(hostKeySchema).min(1).max(5),
    /** Allowed besides those that are secure, and used where the server has no other. */
    legacyAlgorithms: z.array(z.enum(LEGACY_ALGORITHMS)).min(1).max(LEGACY_ALGORITHMS.length).optional(),
  })
  .superRefine(({ password, privateKey, passphrase }, context) => {
    if (password === undefined && privateKey === undefined)
      context.addIssue({ code: 'custom', path: ['password'], message: 'name a password, a privateKey, or both' });
    if (passphrase !== undefined && privateKey === undefined)
      context.addIssue({ code: 'custom', path: ['passphrase'], message: 'a passphrase needs a privateKey' });
  });

const certificates = {
  /** Secret with the certificates, in PEM form, of those who may sign the server's; the well-known authorities when absent. */
  authority: secretNameSchema.optional(),
  /** With an authority both must hold; without one a pinned key is enough. */
  pins: z.array(certificatePinSchema).min(1).max(5).optional(),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
};

const ftpsRemoteSchema = z.strictObject({
  ...shared,
  type: z.literal('ftps'),
  password: secretNameSchema,
  /** `zos`: data sets, which are read and have neither size nor time. `auto`: files, as Unix, Windows and MLSD list them. */
  dialect: z.enum(['auto', 'zos']).optional(),
  /** Sent as `SITE ...` after each login, for servers that must be told how names and listings are to look. */
  site: z
    .array(z.string().regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?$/, 'must be printable ASCII'))
    .max(10)
    .optional(),
  tls: z
    .strictObject({ mode: z.enum(['explicit', 'implicit']).default('explicit'), ...certificates })
    .default({ mode: 'explicit', minVersion: 'TLSv1.2' }),
});

/** Over HTTPS alone; `paths` are paths of its URLs, without percent signs. */
const webdavRemoteSchema = z.strictObject({
  ...shared,
  type: z.literal('webdav'),
  password: secretNameSchema,
  tls: z.strictObject(certificates).default({ minVersion: 'TLSv1.2' }),
});

/** `user` is the storage account; each of `paths` begins with a container. */
const azureBlobRemoteSchema = z
  .strictObject({
    ...shared,
    type: z.literal('azure-blob'),
    user: z.string().regex(/^[a-z0-9]{3,24}$/, 'must be the name of a storage account'),
    /** In base64, as the portal shows it. */
    accountKey: secretNameSchema.optional(),
    /** A shared access signature: the query string that comes after `?`. */
    sas: secretNameSchema.optional(),
    tls: z.strictObject(certificates).default({ minVersion: 'TLSv1.2' }),
  })
  .superRefine(({ accountKey, sas, paths }, context) => {
    if ((accountKey === undefined) === (sas === undefined))
      context.addIssue({ code: 'custom', path: ['accountKey'], message: 'name either an accountKey or a sas' });
    for (const [index, path] of paths.entries())
      if (!/^\/[a-z0-9$][a-z0-9-]{2,62}\//.test(path))
        context.addIssue({
          code: 'custom',
          path: ['paths', index],
          message: 'must begin with the name of a container',
        });
  });

const scalarSchema = z.union([z.string().max(200), z.number(), z.boolean()]);

/** Templates know `meta` (`directory`, `folder`: without its slashes, `path`, `name`, `next`), and `record`: the entry as it was listed. */
const httpRequestSchema = z.strictObject({
  method: z.enum(['GET', 'POST', 'DELETE']).default('GET'),
  /** Another server of the same partner; it is shown who we are too. */
  host: hostSchema.optional(),
  path: templateSchema(compilePath).refine((path) => path.startsWith('/'), { error: 'must begin with "/"' }),
  query: z.record(z.string().max(100), templateSchema(compileText)).default({}),
  headers: z.record(headerNameSchema, templateSchema(compileText)).default({}),
  body: jsonTemplateSchema.optional(),
});
export type HttpFileRequest = z.output<typeof httpRequestSchema>;

const httpListSchema = z.strictObject({
  ...httpRequestSchema.shape,
  /** Where the entries are in the reply; the reply itself when absent. */
  entries: valuePathSchema.optional(),
  name: valuePathSchema.default('name'),
  size: valuePathSchema.default('size'),
  modifiedAt: valuePathSchema.optional(),
  /** Entries with these values are files. */
  only: z.record(valuePathSchema, scalarSchema).default({}),
  /** Entries that have this are files; `size` when absent. */
  onlyWith: valuePathSchema.optional(),
  /** How the next page is found: by a token, `{{ meta.next }}`, or by a member of the reply that has its whole URL. */
  next: z
    .union([
      z.strictObject({ token: valuePathSchema, while: valuePathSchema.optional() }),
      z.strictObject({ link: z.string().min(1).max(100) }),
    ])
    .optional(),
  /** The request for further pages, where it is another one. */
  more: httpRequestSchema.optional(),
});

/** An HTTP API that lists files and gives them: Box, Drive, OneDrive, Dropbox and others. */
const httpRemoteSchema = z.strictObject({
  ...shared,
  type: z.literal('http'),
  /** For people: who we are there is said by `auth`. */
  user: z.string().max(256).default(''),
  auth: z.discriminatedUnion('type', constantAuthSchemas),
  tls: z.strictObject(certificates).default({ minVersion: 'TLSv1.2' }),
  list: httpListSchema,
  /** The bytes of one file; `Range` is added. */
  fetch: httpRequestSchema,
  /** One entry, as `list` gives it; the directory is listed again where it is absent. */
  entry: httpRequestSchema.optional(),
  remove: httpRequestSchema.optional(),
  /** What a reply with this status means where its text has `text`; APIs differ in what they answer for a file that is gone. */
  faults: z
    .array(
      z.strictObject({
        status: z.int().min(400).max(599),
        text: z.string().min(1).max(200),
        means: z.enum(['gone', 'busy']),
      }),
    )
    .max(10)
    .default([]),
  /** Hosts, or such as `*.example.com`, that `fetch` may be redirected to; they learn nothing of who we are. */
  redirects: z
    .array(z.string().regex(/^(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$/, 'must be a host, or such as *.example.com'))
    .max(20)
    .default([]),
});

export const remoteDocumentSchema = z.discriminatedUnion(
  'type',
  [sftpRemoteSchema, ftpsRemoteSchema, webdavRemoteSchema, azureBlobRemoteSchema, httpRemoteSchema],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? 'type must be sftp, ftps, webdav, azure-blob or http' : undefined,
  },
);
export type RemoteDocument = z.output<typeof remoteDocumentSchema>;
export type SftpRemote = Extract<RemoteDocument, { readonly type: 'sftp' }>;
export type WebdavRemote = Extract<RemoteDocument, { readonly type: 'webdav' }>;
export type AzureBlobRemote = Extract<RemoteDocument, { readonly type: 'azure-blob' }>;
export type HttpRemote = Extract<RemoteDocument, { readonly type: 'http' }>;
/** Spoken over HTTPS. */
export type HttpsRemote = WebdavRemote | AzureBlobRemote | HttpRemote;
export type FtpsRemote = Extract<RemoteDocument, { readonly type: 'ftps' }>;

export function portOf(remote: RemoteDocument): number {
  if (remote.port !== undefined) return remote.port;
  if (remote.type === 'sftp') return 22;
  if (remote.type === 'ftps') return remote.tls.mode === 'implicit' ? 990 : 21;
  return 443;
}

/** `paths` as in a definition. `path`: as `canonicalRemotePath` gives it, or a directory that ends with `/`. */
export function isRemotePlaceAllowed(paths: readonly string[], path: string): boolean {
  return paths.some((prefix) => path.startsWith(prefix));
}

export type RemotePath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly message: string };

/** An absolute path of a file: what could mean another place, or read as another name, is refused and not repaired. */
export function canonicalRemotePath(given: string): RemotePath {
  if (!given.startsWith('/')) return refuse('the path does not begin with "/"');
  if (given.endsWith('/')) return refuse('the path ends with "/"');
  if (UNSAFE_IN_NAMES.test(given) || given.includes('\ufffd'))
    return refuse(
      'the path has a control character, a mark that changes the text direction or bytes that are not UTF-8',
    );
  if (given.includes('\\')) return refuse('the path has a backslash');
  const names = given.slice(1).split('/');
  if (names.some((name) => name === '' || name === '.' || name === '..'))
    return refuse('the path has an empty, "." or ".." segment');
  if (Buffer.byteLength(given) > MOST_PATH_BYTES) return refuse(`the path is longer than ${MOST_PATH_BYTES} bytes`);
  return { ok: true, path: given };
}

/** Begins and ends with `/`. */
export function isCanonicalPrefix(prefix: string): boolean {
  return prefix === '/' || (prefix.endsWith('/') && canonicalRemotePath(prefix.slice(0, -1)).ok);
}

function refuse(message: string): RemotePath {
  return { ok: false, message };
}
