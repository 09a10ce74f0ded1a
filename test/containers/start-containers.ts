/** PostgreSQL, ElasticMQ and MinIO as containers, with their ports on this machine. They end with `stop`, or with Testcontainers' reaper. */
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import type { OutsideServers } from '#testkit/servers/outside-servers.ts';
import type { ContainersConfig } from './config.ts';

export interface RunningContainers {
  readonly servers: OutsideServers;
  stop(): Promise<void>;
}

const PORTS = { postgres: 5_432, sqs: 9_324, s3: 9_000 };
/** Pulling an image counts into it. */
const START_TIMEOUT_MS = 300_000;
const ANSWER_TIMEOUT_MS = 60_000;
const PASSWORD = 'longshore-test';

/** Why no engine can be used; undefined when one answers. */
export async function findEngineFault(): Promise<string | undefined> {
  try {
    await getContainerRuntimeClient();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export async function startContainers(config: ContainersConfig): Promise<RunningContainers> {
  const started = await Promise.allSettled([
    start(config.LONGSHORE_TEST_POSTGRES_IMAGE, PORTS.postgres, {
      environment: { POSTGRES_PASSWORD: PASSWORD },
      // Six services with their pools, and what the tests open next to them.
      command: ['postgres', '-c', 'max_connections=200'],
    }),
    start(config.LONGSHORE_TEST_SQS_IMAGE, PORTS.sqs, {}),
    start(config.LONGSHORE_TEST_S3_IMAGE, PORTS.s3, {
      environment: { MINIO_ROOT_USER: 'longshore', MINIO_ROOT_PASSWORD: PASSWORD },
      command: ['server', '/data'],
    }),
  ]);
  const running = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = async () => {
    await Promise.all(running.map((container) => container.stop({ timeout: 5_000 })));
  };
  try {
    const failed = started.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const [postgres, sqs, s3] = running as [StartedTestContainer, StartedTestContainer, StartedTestContainer];
    const databaseUrl = `postgres://postgres:${PASSWORD}@${at(postgres, PORTS.postgres)}/postgres`;
    await untilDatabaseAnswers(databaseUrl);
    const servers = {
      databaseUrl,
      sqs: `http://${at(sqs, PORTS.sqs)}`,
      s3: `http://${at(s3, PORTS.s3)}`,
      credentials: { accessKeyId: 'longshore', secretAccessKey: PASSWORD },
    };
    return { servers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  image: string,
  port: number,
  { environment = {}, command = [] }: { environment?: Record<string, string>; command?: string[] },
): Promise<StartedTestContainer> {
  const container = new GenericContainer(image)
    .withEnvironment(environment)
    .withExposedPorts(port)
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(START_TIMEOUT_MS);
  try {
    return await (command.length === 0 ? container : container.withCommand(command)).start();
  } catch (cause) {
    throw new Error(`the container of ${image} did not start; DEBUG=testcontainers* shows its log`, { cause });
  }
}

function at(container: StartedTestContainer, port: number): string {
  return `${container.getHost()}:${container.getMappedPort(port)}`;
}

/** The image's own set-up starts the server twice, and a port that is listened on is not yet a database that answers. */
async function untilDatabaseAnswers(databaseUrl: string): Promise<void> {
  const sql = connectLauncher(databaseUrl);
  try {
    await waitUntil('the database answers', async () => (await sql`SELECT 1 AS up`).length === 1, {
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}
