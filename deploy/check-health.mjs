// The health check of a task: asks the service in it whether it is alive. Usage: node deploy/check-health.mjs [port]
const port = process.argv[2] ?? process.env.LONGSHORE_HTTP_PORT ?? '9464';
const reply = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(4_000) }).catch(
  () => undefined,
);
process.exit(reply?.ok === true ? 0 : 1);
