/** `longshore upload`, `download`, `upload-link`: files over HTTP. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import pLimit from 'p-limit';
import prettyBytes from 'pretty-bytes';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { findFileId } from '#cli/find-by-name.ts';
import { pathOf, refuseToRead } from '#cli/read-named-file.ts';
import { DOWNLOADS, partUrlSchema, uploadSchema } from '#shared/api/uploads.ts';
import { LongshoreError } from '#shared/errors.ts';
import { createCrc64Nvme, partChecksum } from '#shared/files/copies/part-checksum.ts';

const PARTS_SIDE_BY_SIDE = 4;
const TRIES = 4;
const MIB = 1024 ** 2;
/** For a part; a line slower than 16 MiB in five minutes is better served by SFTP. */
const PART_MS = 300_000;
const DOWNLOAD_MS = 24 * 3_600_000;

const urlsSchema = z.object({ urls: z.array(partUrlSchema) });

export function addUploadCommands(program: Command, cli: Cli): void {
  addCommand<{ to: string; tenant?: string; again?: boolean }>(program, cli, {
    usage: 'upload <files...>',
    description: 'send files; one that was interrupted continues where it stopped',
    define: (command) =>
      command
        .option('--to <path>', "directory in the tenant's home", '')
        .option('--tenant <tenant>', 'with an operator key')
        .option('--again', 'send a file once more that was sent before'),
    run: async (context, { to, tenant, again }, [files]) => {
      const { isJson, terminal, config } = context;
      const sent: z.output<typeof uploadSchema>[] = [];
      for (const file of files as unknown as string[]) {
        const path = pathOf(file, config);
        const upload = await sendFile(context, { path, to, tenant, isAgain: again === true });
        sent.push(upload);
        if (!isJson)
          terminal.line(`${upload.path}  ${prettyBytes(upload.size ?? 0)}  ${upload.file_id ?? upload.upload_id}`);
      }
      if (isJson) terminal.json({ uploads: sent });
    },
  });

  addCommand<{ what: string; route?: string; reason?: string; out?: string }>(program, cli, {
    usage: 'download <file>',
    description: 'save a file, or what was made of it; by id, name or path',
    define: (command) =>
      command
        .option('--what <what>', DOWNLOADS.join(', '), 'original')
        .option('--route <route>', 'of several that delivered it')
        .option('--reason <text>', 'recorded in the audit; required of operators')
        .option('--out <file>', 'where to save it (default: its own name, in this directory)'),
    run: async (context, { what, route, reason, out }, [file = '']) => {
      const { api, isJson, terminal, config } = context;
      const schema = z.object({ url: z.string(), name: z.string(), size: z.number() });
      const body = { file_id: await findFileId(context, file), what, route, reason };
      const { url, name, size } = await api.post('/api/v1/downloads', schema, { body });
      const path = pathOf(out ?? safeName(name), config);
      await save(url, path);
      if (isJson) return terminal.json({ path, size });
      terminal.line(`${path}  ${prettyBytes(size)}`);
    },
  });

  addCommand<{ tenant?: string; to: string; reason: string; hours?: string }>(program, cli, {
    usage: 'upload-link',
    description: 'make a link by which somebody without a key sends one file to a tenant’s routes',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'with an operator key')
        .option('--to <path>', "directory in the tenant's home", '')
        .requiredOption('--reason <text>', 'recorded in the audit')
        .option('--hours <hours>', 'for which it is valid (default: 24)'),
    run: async ({ api, isJson, terminal, times }, { tenant, to, reason, hours }) => {
      const schema = z.object({ link_id: z.string(), url: z.string(), expires_at: z.string() });
      const body = { tenant, path: to, reason, ...(hours !== undefined && { hours: Number(hours) }) };
      const link = await api.post('/api/v1/upload-links', schema, { body });
      if (isJson) return terminal.json(link);
      terminal.line(link.url);
      terminal.note(`It takes one file, until ${(await times(tenant)).show(link.expires_at)}. It is shown only once.`);
    },
  });
}

interface FileToSend {
  readonly path: string;
  readonly to: string;
  readonly tenant: string | undefined;
  readonly isAgain: boolean;
}

async function sendFile({ api, config, terminal, isJson }: CommandContext, { path, to, tenant, isAgain }: FileToSend) {
  const file = await open(path).catch(refuseToRead(path, config));
  try {
    const { size, mtimeMs } = await file.stat();
    const name = basename(path);
    const identity = isAgain ? randomUUID() : await identityOf(file, { size, mtimeMs });
    const key = createHash('sha256')
      .update(JSON.stringify([tenant, to, name, size, identity]))
      .digest('base64url');
    const begun = await api.post('/api/v1/uploads', uploadSchema, {
      body: { tenant, path: to, name, size },
      headers: { 'idempotency-key': key },
    });
    if (begun.state === 'completed') {
      terminal.note(`${name} was sent before; with --again it is sent once more.`);
      return begun;
    }
    const partBytes = begun.part_size ?? size;
    const missing = new Set(begun.missing ?? []);
    const crc = await createCrc64Nvme();
    const limit = pLimit(PARTS_SIDE_BY_SIDE);
    const sending = new Set<Promise<void>>();
    let done = (begun.parts ?? 0) - missing.size;
    for (let part = 1; part <= (begun.parts ?? 0); part += 1) {
      const bytes = await readPart(file, (part - 1) * partBytes, Math.min(partBytes, size - (part - 1) * partBytes));
      crc.update(bytes);
      if (!missing.has(part)) continue;
      const put = limit(() => sendPart({ api, uploadId: begun.upload_id, part, bytes })).then(() => {
        sending.delete(put);
        done += 1;
        if (!isJson) terminal.note(`${name}: ${done} of ${begun.parts} parts`);
      });
      sending.add(put);
      if (sending.size >= PARTS_SIDE_BY_SIDE) await Promise.race(sending);
    }
    await Promise.all(sending);
    const body = { crc64nvme: Buffer.from(crc.digest('binary')).toString('base64') };
    return await api.post(`/api/v1/uploads/${begun.upload_id}/complete`, uploadSchema, { body });
  } finally {
    await file.close();
  }
}

/** A file that was changed is another. */
async function identityOf(file: FileHandle, { size, mtimeMs }: { size: number; mtimeMs: number }): Promise<string> {
  const ends = [
    await readPart(file, 0, Math.min(MIB, size)),
    await readPart(file, Math.max(0, size - MIB), Math.min(MIB, size)),
  ];
  return `${mtimeMs} ${createHash('sha256').update(Buffer.concat(ends)).digest('hex')}`;
}

async function readPart(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead !== length) throw new LongshoreError('UPLOAD_MISMATCH', 'The file was changed while it was read.');
  return buffer;
}

interface PartToSend extends Pick<CommandContext, 'api'> {
  readonly uploadId: string;
  readonly part: number;
  readonly bytes: Buffer;
}

async function sendPart({ api, uploadId, part, bytes }: PartToSend): Promise<void> {
  const parts = [{ part, crc64nvme: await partChecksum('CRC64NVME', bytes) }];
  let reason = '';
  for (let tried = 0; tried < TRIES; tried += 1) {
    const { urls } = await api.post(`/api/v1/uploads/${uploadId}/urls`, urlsSchema, { body: { parts } });
    const [to] = urls;
    if (to === undefined) break;
    const signal = AbortSignal.timeout(PART_MS);
    const response = await fetch(to.url, {
      method: 'PUT',
      headers: to.headers,
      body: new Uint8Array(bytes),
      signal,
    }).catch((error: unknown) => error as Error);
    if (response instanceof Error) reason = response.message;
    else {
      await response.body?.cancel();
      if (response.ok) return;
      reason = `HTTP ${response.status}`;
    }
  }
  throw new LongshoreError('UPLOAD_INCOMPLETE', `Part ${part} could not be sent: ${reason}.`, {
    hint: 'Run the command again: it continues where it stopped.',
  });
}

/** Under its name only when it is whole. */
async function save(url: string, path: string): Promise<void> {
  const partial = `${path}.${randomUUID()}.part`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
    if (!response.ok || response.body === null)
      throw new LongshoreError('API_UNREACHABLE', `The object store answered ${response.status}.`);
    await pipeline(
      Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
      createWriteStream(partial, { flags: 'wx' }),
    );
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Names are partners' words: none leads out of this directory. */
function safeName(name: string): string {
  return (
    basename(name)
      .replaceAll(/[\p{Cc}/\\]/gu, '_')
      .replace(/^\.+/, '_') || 'file'
  );
}
