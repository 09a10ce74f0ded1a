/** `longshore receipts`: those of a file, and their verification without a connection. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { findFileId } from '#cli/find-by-name.ts';
import { pathOf, readNamedFile, refuseToRead } from '#cli/read-named-file.ts';
import { formatFields } from '#cli/terminal.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ReceiptPayload, verifyReceipt } from '#shared/receipts/verify-receipt.ts';
import { parseJson } from '#shared/text/parse-json.ts';

const receiptsSchema = z.object({
  receipts: z.array(z.looseObject({ seq: z.number(), jws: z.string(), issued_at: z.string() })),
});
const keysSchema = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })) });

interface VerifyOptions {
  readonly against?: string;
  readonly jwks: string;
  readonly previous?: string;
  readonly json?: boolean;
}

export function addReceipts(program: Command, cli: Cli): void {
  const receipts = addCommand(program, cli, {
    usage: 'receipts <file>',
    description: 'print the signed receipts of a file, one a line; by id, name or path',
    run: async (context, _options, [file = '']) => {
      const { api, isJson, terminal } = context;
      const id = await findFileId(context, file);
      const reply = await api.get(`/api/v1/files/${encodeURIComponent(id)}/receipt`, receiptsSchema);
      if (isJson) return terminal.json(reply);
      if (reply.receipts.length === 0)
        terminal.note('The file has no receipts: the route that takes it has no `receipt` step, or was not there yet.');
      for (const { jws } of reply.receipts) terminal.line(jws);
    },
  });
  receipts.enablePositionalOptions();

  // Offline: it needs neither an address nor a key.
  receipts
    .command('verify <receipt>')
    .description('verify a receipt with published keys, without a connection')
    .requiredOption('--jwks <file>', 'the keys, as /.well-known/longshore-receipts.jwks has them')
    .option('--against <file>', 'the file that it is about: size and SHA-256 must be those of the receipt')
    .option('--previous <file>', "the tenant's receipt before it: its hash must be in this one")
    .option('--json', 'print JSON')
    .action(async (path: string, options: VerifyOptions) => {
      const payload = await verify(path, options, cli.config);
      if (options.json === true) cli.terminal.json(payload);
      else for (const line of describe(payload)) cli.terminal.line(line);
    });
}

async function verify(
  path: string,
  { against, jwks, previous }: VerifyOptions,
  config: CliConfig,
): Promise<ReceiptPayload> {
  const readText = async (file: string) => (await readNamedFile(file, config)).toString();
  const keys = keysSchema.safeParse(parseJson(await readText(jwks)));
  if (!keys.success) throw new LongshoreError('RECEIPT_INVALID', `${jwks} is not a set of keys.`);
  const verified = await verifyReceipt((await readText(path)).trim(), keys.data as never);
  if (!verified.ok) throw new LongshoreError('RECEIPT_INVALID', REASONS[verified.reason]);
  const { payload } = verified;
  if (against !== undefined) await compare(against, payload, config);
  if (previous !== undefined) {
    const hash = createHash('sha256')
      .update((await readText(previous)).trim())
      .digest('hex');
    if (hash !== payload.previous)
      throw new LongshoreError('RECEIPT_INVALID', `${previous} is not the receipt before this one.`);
  }
  return payload;
}

const REASONS = {
  signature: 'The signature is not that of the receipt: it was altered.',
  key: 'None of the keys signed the receipt.',
  form: 'The file is not a receipt.',
};

async function compare(path: string, { file }: ReceiptPayload, config: CliConfig): Promise<void> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const bytes = createReadStream(pathOf(path, config));
  bytes.on('data', (piece) => {
    hash.update(piece);
    sizeBytes += piece.length;
  });
  await finished(bytes).catch(refuseToRead(path, config));
  if (sizeBytes !== file.sizeBytes || hash.digest('hex') !== file.sha256)
    throw new LongshoreError(
      'RECEIPT_INVALID',
      `${path} is not the file that the receipt is about: its bytes are others.`,
    );
}

function describe({ tenant, seq, previous, issuedAt, file, deliveries }: ReceiptPayload): string[] {
  return formatFields({
    receipt: `valid, ${seq} of ${tenant}`,
    issued: issuedAt,
    file: file.path,
    size: file.sizeBytes,
    sha256: file.sha256,
    delivered: deliveries.map(({ step }) => step).join(', '),
    previous,
  });
}
