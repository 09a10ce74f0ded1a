/** Spans out of the body of an OTLP request: as much of protobuf and of `trace.proto` (OpenTelemetry) as tests look at. */

export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Absent: the first span of its trace. */
  readonly parentSpanId: string | undefined;
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Absent when it went well. */
  readonly fault: string | undefined;
}

type Field = Buffer | bigint;
type Message = ReadonlyMap<number, readonly Field[]>;

const ERROR = 2n;

export function decodeSpans(body: Buffer): ReceivedSpan[] {
  return messagesAt(parse(body), 1).flatMap((resourceSpans) => {
    const [resource] = messagesAt(resourceSpans, 1);
    const service = String(resource && attributesAt(resource, 1)['service.name']);
    return messagesAt(resourceSpans, 2).flatMap((scope) => messagesAt(scope, 2).map((span) => toSpan(service, span)));
  });
}

function toSpan(service: string, span: Message): ReceivedSpan {
  const [status] = messagesAt(span, 15);
  return {
    service,
    traceId: bytesAt(span, 1).toString('hex'),
    spanId: bytesAt(span, 2).toString('hex'),
    parentSpanId: bytesAt(span, 4).toString('hex') || undefined,
    name: bytesAt(span, 5).toString(),
    kind: Number(numberAt(span, 6)),
    startNs: numberAt(span, 7),
    endNs: numberAt(span, 8),
    attributes: attributesAt(span, 9),
    fault: status !== undefined && numberAt(status, 3) === ERROR ? bytesAt(status, 2).toString() : undefined,
  };
}

function attributesAt(message: Message, field: number): Record<string, unknown> {
  return Object.fromEntries(
    messagesAt(message, field).map((pair) => [bytesAt(pair, 1).toString(), anyValue(messagesAt(pair, 2)[0])]),
  );
}

function anyValue(value: Message = new Map()): unknown {
  if (value.has(1)) return bytesAt(value, 1).toString();
  if (value.has(2)) return numberAt(value, 2) === 1n;
  if (value.has(3)) return Number(BigInt.asIntN(64, numberAt(value, 3)));
  return value.has(4) ? new Float64Array(new BigUint64Array([numberAt(value, 4)]).buffer)[0] : undefined;
}

function messagesAt(message: Message, field: number): Message[] {
  return (message.get(field) ?? []).map((value) => parse(value as Buffer));
}

function bytesAt(message: Message, field: number): Buffer {
  return (message.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0);
}

function numberAt(message: Message, field: number): bigint {
  return (message.get(field)?.[0] as bigint | undefined) ?? 0n;
}

function parse(bytes: Buffer): Message {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const readVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const readField = (wireType: number): Field => {
    if (wireType === 0) return readVarint();
    const length = wireType === 2 ? Number(readVarint()) : wireType === 1 ? 8 : 4;
    const value = bytes.subarray(at, at + length);
    at += length;
    if (wireType === 2) return value;
    return wireType === 1 ? value.readBigUInt64LE() : BigInt(value.readUInt32LE());
  };
  while (at < bytes.length) {
    const tag = Number(readVarint());
    const field = tag >> 3;
    fields.set(field, [...(fields.get(field) ?? []), readField(tag & 7)]);
  }
  return fields;
}
