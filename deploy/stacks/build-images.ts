/** The images of a fleet: built where it is deployed from, and kept in the account's own registry. */
import { fileURLToPath } from 'node:url';
import { DockerBuildSecret, IgnoreMode } from 'aws-cdk-lib';
import { DockerImageAsset, type DockerImageAssetProps, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import type { DeploySettings } from '../settings.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

type ImageSettings = Pick<DeploySettings, 'images' | 'architecture'>;

export interface FleetImages {
  /** Of all services. */
  readonly fleet: ecs.ContainerImage;
  readonly collector: ecs.ContainerImage;
}

export function buildImages(scope: Construct, { images, architecture }: ImageSettings): FleetImages {
  const platform = architecture === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64;
  const { node, collector, rdsCaBundle, npmrc } = images;
  return {
    fleet: build(scope, 'Image', {
      platform,
      file: 'deploy/Dockerfile',
      buildArgs: { NODE_IMAGE: node, ...(rdsCaBundle !== undefined && { RDS_CA_BUNDLE: rdsCaBundle }) },
      ...(npmrc !== undefined && { buildSecrets: { npmrc: DockerBuildSecret.fromSrc(npmrc) } }),
    }),
    collector: build(scope, 'CollectorImage', {
      platform,
      file: 'deploy/collector.Dockerfile',
      buildArgs: { COLLECTOR_IMAGE: collector },
    }),
  };
}

function build(scope: Construct, id: string, options: Omit<DockerImageAssetProps, 'directory'>): ecs.ContainerImage {
  return ecs.ContainerImage.fromDockerImageAsset(
    new DockerImageAsset(scope, id, {
      directory: ROOT,
      ignoreMode: IgnoreMode.DOCKER,
      ...options,
    }),
  );
}
