/** CRC64NVME of pieces of a file, away from the page: of each part, and of the whole as the parts go by. */
import { createCRC64, type IHasher } from 'hash-wasm';

export type ChecksumRequest =
  | { readonly id: number; readonly type: 'part'; readonly piece: Blob; readonly reading: string }
  | { readonly id: number; readonly type: 'whole'; readonly reading: string };
export type ChecksumReply = { readonly id: number; readonly crc64nvme?: string; readonly error?: string };

/** Of the reflected CRC that begins and ends with all ones (CRC RevEng catalogue: CRC-64/NVME). */
const POLYNOMIAL = '9a6c9329ac4bc9b5';

const part = createCRC64(POLYNOMIAL);
const wholes = new Map<string, Promise<IHasher>>();

async function answer(request: ChecksumRequest): Promise<string> {
  const whole = await wholeOf(request.reading);
  if (request.type === 'whole') {
    wholes.delete(request.reading);
    return base64(whole.digest('binary'));
  }
  const bytes = new Uint8Array(await request.piece.arrayBuffer());
  whole.update(bytes);
  return base64((await part).init().update(bytes).digest('binary'));
}

function wholeOf(reading: string): Promise<IHasher> {
  const known = wholes.get(reading);
  if (known !== undefined) return known;
  const made = createCRC64(POLYNOMIAL).then((hasher) => hasher.init());
  wholes.set(reading, made);
  return made;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

// One after the other: the whole is of the parts in their order.
let before: Promise<unknown> = Promise.resolve();
self.onmessage = ({ data }: MessageEvent<ChecksumRequest>) => {
  before = before.then(async () => {
    let reply: ChecksumReply;
    try {
      reply = { id: data.id, crc64nvme: await answer(data) };
    } catch (error) {
      reply = { id: data.id, error: String(error) };
    }
    self.postMessage(reply);
  });
};
