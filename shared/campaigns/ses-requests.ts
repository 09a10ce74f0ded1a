/**
 * Requests to Amazon SES v2, signed by the SDK's parts and sent by our own client.
 *
 * The SDK's client takes 1.0 ms of CPU for a mail of 20 KB, this 0.25, and it cannot say whether a request went out at all: a mail that a
 * starved worker never sent would be in doubt for good. A request is made once; its time begins when it is sent.
 */
import type { SESv2Client } from '@aws-sdk/client-sesv2';
import type { HttpReply } from '#shared/http/http-client.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import { printableWords } from '#shared/text/visible-text.ts';

export interface SesRequests {
  /** Whatever the request needs is made before its time begins. Never rejects. */
  post(path: string, body: unknown, bound: SesBound): Promise<SesReply>;
  /** For the few requests that are not mails. */
  client(): Promise<SESv2Client>;
  close(): void;
}

export interface SesBound {
  readonly timeoutMs: number;
  /** Gives the request up. */
  readonly signal?: AbortSignal | undefined;
}

export type SesReply =
  /** Undefined: taken, but what it says was lost. */
  | { readonly type: 'taken'; readonly body: unknown }
  | { readonly type: 'refused'; readonly status: number; readonly name: string; readonly message: string }
  | { readonly type: 'no-reply'; readonly wasSent: boolean; readonly reason: string };

/** Of the client, for what has no time of its own. */
const LONGEST_MS = 60_000;
const CONNECT_MS = 3_000;
const LONGEST_REPLY = 1_000_000;
const LONGEST_NAME = 100;

export function createSesRequests(region: string): SesRequests {
  let opening: ReturnType<typeof openSdk> | undefined;

  /** By the first campaign only; again after it failed. */
  async function open() {
    opening ??= openSdk(region);
    try {
      return await opening;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  }

  async function sign(path: string, body: string) {
    const { base, signer, http } = await open();
    const { protocol, hostname, host } = base;
    const headers = { host, 'content-type': 'application/json' };
    const signed = await signer.sign({ method: 'POST', protocol, hostname, path, headers, query: {}, body });
    return { http, url: new URL(path, base), headers: signed.headers };
  }

  return {
    client: async () => (await open()).client,
    async post(path, content, { timeoutMs, signal }) {
      const body = JSON.stringify(content);
      let signed: Awaited<ReturnType<typeof sign>>;
      try {
        signed = await sign(path, body);
      } catch (error) {
        return { type: 'no-reply', wasSent: false, reason: error instanceof Error ? error.name : 'not signed' };
      }
      const { http, ...request } = signed;
      const reply = await http.send({ method: 'POST', ...request, body, timeoutMs, ...(signal && { signal }) });
      if (reply.type === 'no-reply') return { type: 'no-reply', wasSent: reply.wasSent, reason: reply.cause };
      return readReply(reply);
    },
    close() {
      void opening
        ?.then(({ client, http }) => {
          http.close();
          client.destroy();
        })
        .catch(() => undefined);
    },
  };
}

async function openSdk(region: string) {
  const [
    { createUndiciClient },
    { SESv2Client: Client, SendEmailCommand },
    { SignatureV4 },
    { getEndpointFromInstructions },
  ] = await Promise.all([
    import('#shared/http/create-undici-client.ts'),
    import('@aws-sdk/client-sesv2'),
    import('@smithy/signature-v4'),
    import('@smithy/core/endpoints'),
  ]);
  const requestHandler = { requestTimeout: LONGEST_MS, throwOnRequestTimeout: true, connectionTimeout: CONNECT_MS };
  const client = new Client({ region, maxAttempts: 1, requestHandler });
  const { url: base } = await getEndpointFromInstructions({}, SendEmailCommand, client.config);
  const { credentials, sha256 } = client.config;
  const http = createUndiciClient({ timeoutMs: LONGEST_MS, maxBodyBytes: LONGEST_REPLY });
  return { client, http, base, signer: new SignatureV4({ credentials, region, service: 'ses', sha256 }) };
}

function readReply({ status, headers, body, bodyFault }: HttpReply): SesReply {
  const content = bodyFault === undefined ? parseJson(body.toString('utf8')) : undefined;
  if (status >= 200 && status < 300) return { type: 'taken', body: content };
  const { message, Message, __type } = (content ?? {}) as Readonly<Record<string, unknown>>;
  const type = String(headers['x-amzn-errortype'] ?? __type ?? '');
  // `aws.protocols#restJson1`: a namespace before, an address after it.
  const name = (type.split(/[,:]/)[0] ?? '').split('#').at(-1) ?? '';
  const words = printableWords(String(message ?? Message ?? ''));
  return { type: 'refused', status, name: printableWords(name, LONGEST_NAME), message: words };
}
