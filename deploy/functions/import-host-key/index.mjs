/**
 * A resource of CloudFormation: gives a Transfer Family server the host key of a secret, which its own resource cannot name.
 *
 * 1. Whatever happens, CloudFormation is answered, before the function itself is ended; neither answer nor log shows the key.
 * 2. The key that the server made for itself goes, so that partners are shown the known one. Nothing goes before that one is there.
 * 3. Repeating it is harmless: Lambda does so when CloudFormation took no answer.
 */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  DeleteHostKeyCommand,
  ImportHostKeyCommand,
  ListHostKeysCommand,
  TransferClient,
} from '@aws-sdk/client-transfer';

/** Time to answer before the function itself is ended. */
const RESERVE_MS = 20_000;
const ANSWER_TRIES = 3;
const ANSWER_MS = 5_000;
const DESCRIPTION = 'known to partners';

export async function handler(event, context) {
  const abortSignal = AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - RESERVE_MS));
  const answer = await run(event, abortSignal).then(
    () => ({ Status: 'SUCCESS' }),
    (error) => ({ Status: 'FAILED', Reason: `${error?.name ?? 'Error'}: see docs/guides/aws.md on the host key` }),
  );
  console.log(JSON.stringify(answer));
  const { StackId, RequestId, LogicalResourceId } = event;
  await tell(event.ResponseURL, {
    ...answer,
    StackId,
    RequestId,
    LogicalResourceId,
    PhysicalResourceId: 'host-key',
  });
}

async function run(event, abortSignal) {
  if (event.RequestType === 'Delete') return;
  const { serverId: ServerId, secretName: SecretId } = event.ResourceProperties;
  const secret = new GetSecretValueCommand({ SecretId });
  const { SecretString } = await new SecretsManagerClient({}).send(secret, { abortSignal });
  const transfer = new TransferClient({});
  const { HostKeys = [] } = await transfer.send(new ListHostKeysCommand({ ServerId }), { abortSignal });
  const HostKeyId = await importKey(transfer, { ServerId, HostKeyBody: SecretString }, abortSignal);
  for (const key of HostKeys) {
    const isKnown = HostKeyId === undefined ? key.Description === DESCRIPTION : key.HostKeyId === HostKeyId;
    if (isKnown) continue;
    await transfer.send(new DeleteHostKeyCommand({ ServerId, HostKeyId: key.HostKeyId }), { abortSignal });
  }
}

/** Undefined when the server has it from a run before. */
async function importKey(transfer, key, abortSignal) {
  try {
    const imported = new ImportHostKeyCommand({ ...key, Description: DESCRIPTION });
    return (await transfer.send(imported, { abortSignal })).HostKeyId;
  } catch (error) {
    if (error?.name === 'ResourceExistsException') return undefined;
    throw error;
  }
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
