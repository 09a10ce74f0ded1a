/** One stream of changes per browser: every tab of it hears what this worker hears. */
const scope = globalThis as unknown as { onconnect: ((event: MessageEvent) => void) | null };

const STREAM = '/api/v1/live?topics=files,actions';
const EVENTS = ['ready', 'changed', 'many', 'progress', 'action', 'reset', 'session-ends'];
/** A tab that is gone says nothing: those that are there say so every ten seconds. */
const GONE_MS = 45_000;
const LOOK_MS = 15_000;

const seenAt = new Map<MessagePort, number>();
let stream: EventSource | undefined;

function tell(message: { readonly event: string; readonly data: string }): void {
  for (const port of seenAt.keys()) port.postMessage(message);
}

function open(): void {
  if (stream !== undefined && stream.readyState !== EventSource.CLOSED) return;
  stream = new EventSource(STREAM);
  for (const event of EVENTS) stream.addEventListener(event, ({ data }) => tell({ event, data: String(data) }));
  stream.onerror = () => tell({ event: 'away', data: '{}' });
}

scope.onconnect = ({ ports: [port] }) => {
  if (port === undefined) return;
  port.onmessage = () => {
    seenAt.set(port, Date.now());
    open();
  };
  port.start();
};

setInterval(() => {
  for (const [port, at] of seenAt) if (Date.now() - at > GONE_MS) seenAt.delete(port);
  if (seenAt.size > 0 || stream === undefined) return;
  stream.close();
  stream = undefined;
}, LOOK_MS);
