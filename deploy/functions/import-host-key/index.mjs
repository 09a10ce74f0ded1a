/**
 * A resource of CloudFormation: gives a Transfer Family server the host key of a secret, which its own resource cannot name.
 *
 * 1. Whatever happens, CloudFormation is answered, and neither answer nor log shows the key.
 * 2. The key that the server made for itself goes, so that partners are shown the known one.
 */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  DeleteHostKeyCommand,
  ImportHostKeyCommand,
  ListHostKeysCommand,
  TransferClient,
} from '@aws-sdk/client-transfer';

export async function handler(event) {
  const answer = await run(event).then(
    () => ({ Status: 'SUCCESS' }),
    (error) => ({ Status: 'FAILED', Reason: `${error?.name ?? 'Error'}: see docs/deploy.md on the host key` }),
  );
  console.log(JSON.stringify(answer));
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = JSON.stringify({ ...answer, StackId, RequestId, LogicalResourceId, PhysicalResourceId: 'host-key' });
  const reply = await fetch(event.ResponseURL, { method: 'PUT', headers: { 'content-type': '' }, body });
  if (!reply.ok) throw new Error(`CloudFormation refused the answer with ${reply.status}.`);
}

async function run(event) {
  if (event.RequestType === 'Delete') return;
  const { serverId: ServerId, secretName: SecretId } = event.ResourceProperties;
  const { SecretString } = await new SecretsManagerClient({}).send(new GetSecretValueCommand({ SecretId }));
  const transfer = new TransferClient({});
  const { HostKeys = [] } = await transfer.send(new ListHostKeysCommand({ ServerId }));
  const imported = await transfer.send(
    new ImportHostKeyCommand({ ServerId, HostKeyBody: SecretString, Description: 'known to partners' }),
  );
  for (const { HostKeyId } of HostKeys) {
    if (HostKeyId === imported.HostKeyId) continue;
    await transfer.send(new DeleteHostKeyCommand({ ServerId, HostKeyId }));
  }
}
