/**
 * A resource of CloudFormation: runs the migration as a task and answers when it has ended, so that services are updated after it.
 *
 * 1. Whatever happens, CloudFormation is answered, before the function itself is ended: without an answer a deployment hangs for an hour.
 * 2. A deletion runs nothing. A rollback runs the previous version's migration, which finds nothing to do.
 * 3. Repeating it is harmless: the request's id is the task's, so Lambda's own repetition finds the task that runs.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DescribeTasksCommand, ECSClient, RunTaskCommand } from '@aws-sdk/client-ecs';

const POLL_MS = 5_000;
/** Time to answer before the function itself is ended. */
const RESERVE_MS = 20_000;
const ANSWER_TRIES = 3;
const ANSWER_MS = 5_000;
const LATE = 'The migration did not end in time; it continues. See its log, and deploy again when it has ended.';

export async function handler(event, context) {
  const abortSignal = AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - RESERVE_MS));
  const reasonOf = (error) => (abortSignal.aborted ? LATE : String(error?.message ?? error).slice(0, 1_000));
  const answer = await run(event, abortSignal).then(
    (reason) => ({ Status: 'SUCCESS', Reason: reason }),
    (error) => ({ Status: 'FAILED', Reason: reasonOf(error) }),
  );
  console.log(JSON.stringify(answer));
  const { StackId, RequestId, LogicalResourceId } = event;
  await tell(event.ResponseURL, {
    ...answer,
    StackId,
    RequestId,
    LogicalResourceId,
    PhysicalResourceId: 'migration',
  });
}

async function run(event, abortSignal) {
  if (event.RequestType === 'Delete') return 'nothing to do';
  const { cluster, taskDefinition, subnets, securityGroups } = event.ResourceProperties;
  const ecs = new ECSClient({});
  const { tasks = [], failures = [] } = await ecs.send(
    new RunTaskCommand({
      cluster,
      taskDefinition,
      launchType: 'FARGATE',
      clientToken: event.RequestId,
      networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups, assignPublicIp: 'DISABLED' } },
    }),
    { abortSignal },
  );
  const taskArn = tasks[0]?.taskArn;
  if (taskArn === undefined) {
    throw new Error(`The migration did not start: ${failures[0]?.reason ?? 'no reason given'}.`);
  }
  for (;;) {
    const described = new DescribeTasksCommand({ cluster, tasks: [taskArn] });
    const { tasks: [task] = [] } = await ecs.send(described, { abortSignal });
    if (task?.lastStatus === 'STOPPED') return judge(task);
    await delay(POLL_MS, undefined, { signal: abortSignal });
  }
}

function judge(task) {
  const { exitCode, reason } = task.containers?.[0] ?? {};
  if (exitCode === 0) return 'migrated';
  throw new Error(
    `The migration ended with ${exitCode ?? 'no exit code'}: ${reason ?? task.stoppedReason ?? 'see its log'}.`,
  );
}

async function tell(url, answer) {
  const body = JSON.stringify(answer);
  for (let attempt = 1; ; attempt += 1) {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const reply = await fetch(url, { method: 'PUT', headers: { 'content-type': '' }, body, signal }).catch(
      (error) => error,
    );
    if (reply.ok) return;
    if (attempt === ANSWER_TRIES) throw new Error(`CloudFormation took no answer: ${reply.status ?? reply.name}.`);
  }
}
