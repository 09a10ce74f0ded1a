/** A text in another encoding, and with other line ends where they are asked for. Nothing is replaced in silence. */
import { type Encoding, isEbcdic } from '#shared/definitions/routes/encoding-schema.ts';
import { decodeText } from '#shared/formats/decode-text.ts';
import { eventLoopTurns } from '#shared/formats/event-loop-turns.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { encodingCodec } from '#shared/formats/records/record-encoding.ts';
import { inPieces } from '#shared/formats/records/source-pieces.ts';

export interface TextConversion {
  readonly from: { readonly encoding: Encoding };
  readonly to: { readonly encoding: Encoding; readonly lineEnds: 'keep' | 'lf' | 'crlf' };
}

const CODES = { encoding: 'TEXT_ENCODING', nul: 'TEXT_ENCODING' } as const;
const ENDS = { lf: '\n', crlf: '\r\n' } as const;

/** @throws FormatFault `TEXT_ENCODING` */
export async function* convertText(
  source: AsyncIterable<Uint8Array>,
  { from, to }: TextConversion,
): AsyncGenerator<Buffer> {
  const codec = encodingCodec(to.encoding);
  const turn = eventLoopTurns();
  let lines = 1;
  let half = '';

  function written(piece: string): Buffer {
    const text = isEbcdic(to.encoding)
      ? withEnds(piece, from.encoding, 'lf').replaceAll('\n', '\u0085')
      : withEnds(piece, from.encoding, to.lineEnds);
    const bytes = codec.encodeText(text);
    if (to.encoding !== 'utf-8' && codec.decodeValue(codec.toUnits(bytes)) !== text) {
      const message = `A character at line ${lines} or after it is not one of ${to.encoding}.`;
      throw new FormatFault('TEXT_ENCODING', message, lines);
    }
    lines += text.split(/\n|\u0085/).length - 1;
    return bytes;
  }

  for await (const decoded of decodeText(inPieces(source), from.encoding, CODES)) {
    const piece = half + decoded;
    // A line end, or a pair of surrogates, that the cut may have taken apart.
    half = /[\r\u0085\ud800-\udbff]$/.exec(piece)?.[0] ?? '';
    if (piece.length > half.length) yield written(piece.slice(0, piece.length - half.length));
    await turn();
  }
  if (half !== '') yield written(half);
}

function withEnds(text: string, encoding: Encoding, wanted: 'keep' | 'lf' | 'crlf'): string {
  const lines = isEbcdic(encoding) ? text.replaceAll(/\r?\u0085\n?/g, '\n') : text;
  return wanted === 'keep' ? lines : lines.replaceAll(/\r\n|\r|\n/g, ENDS[wanted]);
}
