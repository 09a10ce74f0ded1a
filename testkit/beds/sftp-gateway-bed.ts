/** A gateway over a real object store for one test file, with two tenants' users and ways to connect as them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import ssh2, { type ConnectConfig, type SFTPWrapper } from 'ssh2';
import type { GatewayLimits } from '#local/sftp/limits.ts';
import { loadOrCreateHostKey, makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { type SftpGateway, startSftpGateway } from '#local/sftp/start-sftp-gateway.ts';
import type { TransferEvent } from '#local/sftp/transfer-event.ts';
import { openTransferJournal, type TransferJournal } from '#local/sftp/transfer-journal.ts';
import type { SftpUser } from '#local/sftp/user-root.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { LANDING, OUTBOUND, startTestStore } from '#testkit/servers/sftp-store.ts';

/** What is proved of parts holds of small ones: the 5 MiB are the store's rule. */
export const PART_BYTES = 1_024 * 1_024;

export interface TestGateway {
  readonly gateway: SftpGateway;
  readonly store: S3Client;
  readonly journal: TransferJournal;
  readonly directory: string;
  /** Lines that the gateway logged. */
  readonly logLines: string[];
  /** A file with the private key of `acme-user`, for command-line clients. */
  readonly privateKeyFile: string;
  readonly users: Map<string, SftpUser>;
  connect(options?: Partial<ConnectConfig>): Promise<TestConnection>;
  events(): TransferEvent[];
  versions(prefix?: string): Promise<{ key: string; versionId: string; size: number; isMarker: boolean }[]>;
  openUploadCount(): Promise<number>;
  content(key: string, versionId?: string): Promise<{ body: Buffer; metadata: Record<string, string> }>;
  /** The object store answers no more. */
  stopStore(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestConnection {
  readonly client: ssh2.Client;
  readonly sftp: SFTPWrapper;
  close(): Promise<void>;
}

export async function startTestGateway(limits: Partial<GatewayLimits> = {}): Promise<TestGateway> {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-sftp-'));
  const { client: store, stop: stopStore } = await startTestStore(join(directory, 's3'), {
    smallestPartBytes: PART_BYTES,
  });
  const journal = openTransferJournal(join(directory, 'journal'));
  const keys = makeSshKey();
  const privateKeyFile = join(directory, 'id_ed25519');
  writeFileSync(privateKeyFile, keys.private, { mode: 0o600 });
  const users = new Map<string, SftpUser>([
    ['acme-user', { tenantId: 'acme', publicKeys: [keys.public], homePrefix: 'acme' }],
    ['acmex-user', { tenantId: 'acmex', publicKeys: [keys.public], homePrefix: 'acmex/' }],
  ]);
  const logLines: string[] = [];
  const gateway = await startSftpGateway({
    host: '127.0.0.1',
    port: 0,
    hostKey: loadOrCreateHostKey(join(directory, 'host_key')),
    findUser: async (username) => users.get(username),
    store,
    landingBucket: LANDING,
    outboundBucket: OUTBOUND,
    journal,
    server: { serverId: 's-0123456789abcdef0', region: 'us-east-1', account: '000000000000' },
    logger: createLogger({ service: 'sftp', destination: { write: (line) => void logLines.push(line) } }),
    partSizeBytes: PART_BYTES,
    limits,
  });

  return {
    gateway,
    store,
    journal,
    directory,
    logLines,
    privateKeyFile,
    users,
    connect: (options) =>
      connectSftp({
        host: '127.0.0.1',
        port: gateway.port,
        username: 'acme-user',
        privateKey: keys.private,
        ...options,
      }),
    events: () => journal.read(1_000).map(({ event }) => event),
    async versions(prefix = '') {
      const page = await store.send(new ListObjectVersionsCommand({ Bucket: LANDING, Prefix: prefix }));
      const describe = (size: number, isMarker: boolean) => (item: { Key?: string; VersionId?: string }) => ({
        key: item.Key!,
        versionId: item.VersionId!,
        size,
        isMarker,
      });
      return [
        ...(page.Versions ?? []).map((version) => describe(version.Size ?? 0, false)(version as { Key?: string })),
        ...(page.DeleteMarkers ?? []).map((marker) => describe(0, true)(marker as { Key?: string })),
      ];
    },
    async openUploadCount() {
      const page = await store.send(new ListMultipartUploadsCommand({ Bucket: LANDING }));
      return (page.Uploads ?? []).length;
    },
    async content(key, versionId) {
      const reply = await store.send(
        new GetObjectCommand({ Bucket: LANDING, Key: key, ...(versionId !== undefined && { VersionId: versionId }) }),
      );
      return { body: Buffer.from((await reply.Body?.transformToByteArray()) ?? []), metadata: reply.Metadata ?? {} };
    },
    stopStore,
    async stop() {
      await gateway.stop(0);
      journal.close();
      await stopStore();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export async function connectSftp(config: ConnectConfig): Promise<TestConnection> {
  const client = new ssh2.Client();
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  client.on('ready', resolve);
  client.on('error', reject);
  client.on('close', () => reject(new Error('the server closed the connection')));
  client.connect({ readyTimeout: 10_000, ...config });
  await ready;
  // Each packet is two writes: without it the second waits 40 ms for the acknowledgement of the first.
  client.setNoDelay(true);
  const sftp = await new Promise<SFTPWrapper>((done, failed) => {
    client.sftp((error, channel) => (error === undefined ? done(channel) : failed(error)));
  });
  sftp.on('error', () => undefined);
  return {
    client,
    sftp,
    async close() {
      const { promise: closed, resolve: markClosed } = Promise.withResolvers<void>();
      client.once('close', markClosed);
      client.end();
      await closed;
    },
  };
}

/** A callback function of ssh2's as a promise. */
export function call<Value = void>(run: (done: (error?: Error | null, value?: Value) => void) => void): Promise<Value> {
  return new Promise((resolve, reject) => {
    run((error, value) => (error ? reject(error) : resolve(value as Value)));
  });
}

/** What a status message begins with, or `ok`. */
export async function codeOf(request: Promise<unknown>): Promise<string> {
  return request.then(
    () => 'ok',
    (error: Error) => error.message.split(':')[0]!,
  );
}
