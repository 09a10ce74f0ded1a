/** Whether what is written to landing becomes events: in the home that leads only, as the rules of a standby are disabled. */
import { PutBucketNotificationConfigurationCommand } from '@aws-sdk/client-s3';
import { createS3Client } from '#shared/files/s3-client.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';

export async function setLandingEvents(env: Readonly<Record<string, string>>, hasEvents: boolean): Promise<void> {
  const client = createS3Client({
    LONGSHORE_S3_PATH_STYLE: true,
    endpoint: env.AWS_ENDPOINT_URL_S3 ?? '',
    region: env.AWS_REGION ?? '',
    credentials: { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' },
  });
  try {
    await client.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: bucketName(env.LONGSHORE_PREFIX ?? '', 'landing'),
        NotificationConfiguration: hasEvents ? { EventBridgeConfiguration: {} } : {},
      }),
    );
  } finally {
    client.destroy();
  }
}
