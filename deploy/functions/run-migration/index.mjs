/**
 * A resource of CloudFormation: runs the migration as a task and answers when it has ended, so that services are updated after it.
 *
 * 1. Whatever happens, CloudFormation is answered: without an answer a deployment hangs for an hour.
 * 2. A deletion runs nothing. A rollback runs the previous version's migration, which finds nothing to do.
 */
import { DescribeTasksCommand, ECSClient, RunTaskCommand } from '@aws-sdk/client-ecs';

const POLL_MS = 5_000;
/** Time to answer before the function itself is ended. */
const RESERVE_MS = 20_000;

export async function handler(event, context) {
  const answer = await run(event, context).then(
    (reason) => ({ Status: 'SUCCESS', Reason: reason }),
    (error) => ({ Status: 'FAILED', Reason: String(error?.message ?? error).slice(0, 1_000) }),
  );
  console.log(JSON.stringify(answer));
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = JSON.stringify({ ...answer, StackId, RequestId, LogicalResourceId, PhysicalResourceId: 'migration' });
  const reply = await fetch(event.ResponseURL, { method: 'PUT', headers: { 'content-type': '' }, body });
  if (!reply.ok) throw new Error(`CloudFormation refused the answer with ${reply.status}.`);
}

async function run(event, context) {
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
  );
  const taskArn = tasks[0]?.taskArn;
  if (taskArn === undefined)
    throw new Error(`The migration did not start: ${failures[0]?.reason ?? 'no reason given'}.`);
  while (context.getRemainingTimeInMillis() > RESERVE_MS) {
    const { tasks: [task] = [] } = await ecs.send(new DescribeTasksCommand({ cluster, tasks: [taskArn] }));
    if (task?.lastStatus === 'STOPPED') return judge(task);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error('The migration did not end in time; it goes on. See its log, and deploy again when it has ended.');
}

function judge(task) {
  const { exitCode, reason } = task.containers?.[0] ?? {};
  if (exitCode === 0) return 'migrated';
  throw new Error(
    `The migration ended with ${exitCode ?? 'no exit code'}: ${reason ?? task.stoppedReason ?? 'see its log'}.`,
  );
}
