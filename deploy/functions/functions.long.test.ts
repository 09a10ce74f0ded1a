/** The two functions as Lambda runs them, against AWS's own protocol: whatever happens, CloudFormation has one answer. */
import { afterEach, describe, expect, test } from 'vitest';
import { type AwsCall, type AwsReply, runFunction, startTestAws, type TestAws } from './functions-test-bed.ts';

const RESERVE_MS = 20_000;
const ids = { StackId: 'arn:stack', RequestId: 'request-1', LogicalResourceId: 'Resource' };
const ok = (body: object): AwsReply => ({ status: 200, body });
const fault = (name: string, message = 'no'): AwsReply => ({ status: 400, body: { __type: name, message } });

let aws: TestAws;
afterEach(() => aws.stop());

const operations = () => aws.calls.map(({ operation }) => operation);
const inputsOf = (name: string) =>
  aws.calls.filter(({ operation }) => operation === name).map(({ input }) => input as Record<string, unknown>);

function expectAnswer(answer: Record<string, unknown>): void {
  expect(aws.answers.map(({ body }) => body)).toEqual([{ ...ids, ...answer }]);
  // The address is signed for a body without a type.
  expect(aws.answers[0]?.headers['content-type'] ?? '').toBe('');
}

describe('import-host-key', () => {
  const KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n';
  const event = (RequestType: string) => ({
    ...ids,
    RequestType,
    ResourceProperties: { serverId: 's-1', secretName: 'prefix/sftp-host-key' },
  });
  const run = (type: string, remainingMs = 60_000) =>
    runFunction('import-host-key', { aws, event: event(type), remainingMs });
  const replies = (own: Record<string, AwsReply> = {}) => ({
    GetSecretValue: ok({ SecretString: KEY }),
    ListHostKeys: ok({ ServerId: 's-1', HostKeys: [{ Arn: 'a', HostKeyId: 'made-by-itself' }] }),
    ImportHostKey: ok({ ServerId: 's-1', HostKeyId: 'imported' }),
    DeleteHostKey: ok({}),
    ...own,
  });
  const start = async (own: Record<string, AwsReply> = {}, statuses: readonly number[] = []) => {
    const all: Record<string, AwsReply> = replies(own);
    aws = await startTestAws(({ operation }) => all[operation] ?? fault('UnknownOperation'), statuses);
  };

  test.each(['Create', 'Update'])(
    'on %s the key of the secret takes the place of those that the server has',
    async (type) => {
      await start();
      const { error, output } = await run(type);
      expect(error).toBeNull();
      expect(inputsOf('GetSecretValue')).toEqual([{ SecretId: 'prefix/sftp-host-key' }]);
      expect(inputsOf('ImportHostKey')).toEqual([
        { ServerId: 's-1', HostKeyBody: KEY, Description: 'known to partners' },
      ]);
      expect(inputsOf('DeleteHostKey')).toEqual([{ ServerId: 's-1', HostKeyId: 'made-by-itself' }]);
      expect(operations().indexOf('ImportHostKey')).toBeLessThan(operations().indexOf('DeleteHostKey'));
      expectAnswer({ Status: 'SUCCESS', PhysicalResourceId: 'host-key' });
      expect(output).not.toContain('c2VjcmV0');
    },
  );

  test('a deletion touches nothing and is answered', async () => {
    await start();
    expect((await run('Delete')).error).toBeNull();
    expect(operations()).toEqual([]);
    expectAnswer({ Status: 'SUCCESS', PhysicalResourceId: 'host-key' });
  });

  test('a repetition keeps the key that is there already', async () => {
    const known = { Arn: 'b', HostKeyId: 'imported-before', Description: 'known to partners' };
    await start({
      ListHostKeys: ok({ ServerId: 's-1', HostKeys: [{ Arn: 'a', HostKeyId: 'made-by-itself' }, known] }),
      ImportHostKey: fault('ResourceExistsException'),
    });
    expect((await run('Update')).error).toBeNull();
    expect(inputsOf('DeleteHostKey')).toEqual([{ ServerId: 's-1', HostKeyId: 'made-by-itself' }]);
    expectAnswer({ Status: 'SUCCESS', PhysicalResourceId: 'host-key' });
  });

  test.each([
    ['GetSecretValue', 'ResourceNotFoundException'],
    ['ListHostKeys', 'ResourceNotFoundException'],
    ['ImportHostKey', 'InvalidRequestException'],
    ['DeleteHostKey', 'InvalidRequestException'],
  ])('a %s that fails is a FAILED without the key or a word of AWS’s', async (operation, name) => {
    await start({ [operation]: fault(name, `is wrong: ${KEY}`) });
    const { error, output } = await run('Create');
    expect(error).toBeNull();
    expectAnswer({
      Status: 'FAILED',
      Reason: `${name}: see docs/guides/aws.md on the host key`,
      PhysicalResourceId: 'host-key',
    });
    expect(output).not.toContain('c2VjcmV0');
    if (operation !== 'DeleteHostKey') expect(inputsOf('DeleteHostKey')).toEqual([]);
  });

  test('an AWS that does not answer is a FAILED before the function’s own end', async () => {
    await start({ ImportHostKey: 'hang' });
    expect((await run('Create', RESERVE_MS + 1_500)).error).toBeNull();
    expect(inputsOf('DeleteHostKey')).toEqual([]);
    expectAnswer({
      Status: 'FAILED',
      Reason: expect.stringMatching(/^(Abort|Timeout)Error: /),
      PhysicalResourceId: 'host-key',
    });
  });

  test('an answer that is not taken is given again, and in the end Lambda is told', async () => {
    await start({}, [503]);
    expect((await run('Create')).error).toBeNull();
    expect(aws.answers.map(({ body }) => body.Status)).toEqual(['SUCCESS', 'SUCCESS']);
    await aws.stop();
    await start({}, [503, 503, 403]);
    expect((await run('Create')).error).toContain('CloudFormation took no answer: 403.');
    expect(aws.answers).toHaveLength(3);
  });
});

describe('run-migration', () => {
  const properties = {
    cluster: 'arn:cluster',
    taskDefinition: 'arn:definition:7',
    subnets: ['subnet-1'],
    securityGroups: ['sg-1'],
  };
  const run = (RequestType: string, remainingMs = 840_000) =>
    runFunction('run-migration', { aws, event: { ...ids, RequestType, ResourceProperties: properties }, remainingMs });
  const started = ok({ tasks: [{ taskArn: 'arn:task', lastStatus: 'PROVISIONING' }], failures: [] });
  const task = (own: object) => ok({ tasks: [{ taskArn: 'arn:task', ...own }] });
  const ended = (exitCode?: number, own: object = {}) =>
    task({ lastStatus: 'STOPPED', containers: [{ exitCode }], ...own });

  /** `RunTask` as given, and one reply after the other for `DescribeTasks`. */
  const start = async (runTask: AwsReply, ...states: AwsReply[]) => {
    let seen = 0;
    aws = await startTestAws(({ operation }: AwsCall) => {
      if (operation === 'RunTask') return runTask;
      seen += 1;
      return states[Math.min(seen, states.length) - 1] ?? fault('UnknownOperation');
    });
  };

  test('runs one task, as a task of this request, waits for its end, and says so', async () => {
    // Just after its start ECS may not know it yet.
    await start(started, ok({ tasks: [], failures: [{ arn: 'arn:task', reason: 'MISSING' }] }), ended(0));
    const { error, output } = await run('Update');
    expect(error).toBeNull();
    expect(inputsOf('RunTask')).toEqual([
      {
        cluster: 'arn:cluster',
        taskDefinition: 'arn:definition:7',
        launchType: 'FARGATE',
        clientToken: 'request-1',
        networkConfiguration: {
          awsvpcConfiguration: { subnets: ['subnet-1'], securityGroups: ['sg-1'], assignPublicIp: 'DISABLED' },
        },
      },
    ]);
    expect(inputsOf('DescribeTasks')).toEqual([
      { cluster: 'arn:cluster', tasks: ['arn:task'] },
      { cluster: 'arn:cluster', tasks: ['arn:task'] },
    ]);
    expectAnswer({ Status: 'SUCCESS', Reason: 'migrated', PhysicalResourceId: 'migration' });
    expect(output).toContain('"Status":"SUCCESS"');
  });

  test('a deletion runs nothing and is answered', async () => {
    await start(started);
    expect((await run('Delete')).error).toBeNull();
    expect(operations()).toEqual([]);
    expectAnswer({ Status: 'SUCCESS', Reason: 'nothing to do', PhysicalResourceId: 'migration' });
  });

  test.each<[string, AwsReply, AwsReply, string]>([
    ['that ends with a fault', started, ended(1), 'The migration ended with 1: see its log.'],
    [
      'that is stopped from outside',
      started,
      ended(undefined, { stoppedReason: 'CannotPullContainerError' }),
      'The migration ended with no exit code: CannotPullContainerError.',
    ],
    [
      'that finds no room',
      ok({ tasks: [], failures: [{ reason: 'RESOURCE:ENI' }] }),
      ended(0),
      'The migration did not start: RESOURCE:ENI.',
    ],
    ['that may not run', fault('AccessDeniedException', 'not authorized'), ended(0), 'not authorized'],
    ['that cannot be asked about', started, fault('ClusterNotFoundException', 'no cluster'), 'no cluster'],
  ])('a task %s is a FAILED with the reason', async (_, runTask, state, Reason) => {
    await start(runTask, state);
    expect((await run('Create')).error).toBeNull();
    expectAnswer({ Status: 'FAILED', Reason, PhysicalResourceId: 'migration' });
  });

  const late = 'The migration did not end in time; it continues. See its log, and deploy again when it has ended.';

  test.each<[string, AwsReply, AwsReply]>([
    ['goes on', started, task({ lastStatus: 'RUNNING' })],
    ['is not answered for', started, 'hang'],
    ['is not even started in time', 'hang', ended(0)],
  ])('a task that %s is a FAILED before the function’s own end', async (_, runTask, state) => {
    await start(runTask, state);
    expect((await run('Create', RESERVE_MS + 1_500)).error).toBeNull();
    expectAnswer({ Status: 'FAILED', Reason: late, PhysicalResourceId: 'migration' });
  });
});
