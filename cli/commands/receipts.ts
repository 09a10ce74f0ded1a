/** `longshore receipts`: those of a file, and their verification without a connection. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
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
    description: 'print the signed receipts of a file (by its id), one a line',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const reply = await api.get(`/api/v1/files/${encodeURIComponent(id)}/receipt`, receiptsSchema);
      if (isJson) terminal.json(reply);
      else for (const { jws } of reply.receipts) terminal.line(jws);
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
      const payload = await verify(path, options);
      if (options.json === true) cli.terminal.json(payload);
      else for (const line of describe(payload)) cli.terminal.line(line);
    });
}

async function verify(path: string, { against, jwks, previous }: VerifyOptions): Promise<ReceiptPayload> {
  const keys = keysSchema.safeParse(parseJson(await readText(jwks)));
  if (!keys.success) throw new LongshoreError('RECEIPT_INVALID', `${jwks} is not a set of keys.`);
  const verified = await verifyReceipt((await readText(path)).trim(), keys.data as never);
  if (!verified.ok) throw new LongshoreError('RECEIPT_INVALID', REASONS[verified.reason]);
  const { payload } = verified;
  if (against !== undefined) await compare(against, payload);
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

async function compare(path: string, { file }: ReceiptPayload): Promise<void> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const piece of createReadStream(path)) {
    hash.update(piece as Buffer);
    sizeBytes += (piece as Buffer).length;
  }
  if (sizeBytes !== file.sizeBytes || hash.digest('hex') !== file.sha256)
    throw new LongshoreError(
      'RECEIPT_INVALID',
      `${path} is not the file that the receipt is about: its bytes are others.`,
    );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new LongshoreError('USAGE', `${path} cannot be read.`, { cause });
  }
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
