/** The images of a fleet: built where it is deployed from, and kept in the account's own registry. */
import { fileURLToPath } from 'node:url';
import { DockerBuildSecret, IgnoreMode } from 'aws-cdk-lib';
import { DockerImageAsset, type DockerImageAssetProps, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import type { DeploySettings } from '../settings.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface FleetImages {
  /** Of all services. */
  readonly fleet: ecs.ContainerImage;
  readonly collector: ecs.ContainerImage;
}

export function buildImages(scope: Construct, images: DeploySettings['images']): FleetImages {
  const { node, collector, rdsCaBundle, npmrc } = images;
  return {
    fleet: build(scope, 'Image', {
      file: 'deploy/Dockerfile',
      buildArgs: { NODE_IMAGE: node, ...(rdsCaBundle !== undefined && { RDS_CA_BUNDLE: rdsCaBundle }) },
      ...(npmrc !== undefined && { buildSecrets: { npmrc: DockerBuildSecret.fromSrc(npmrc) } }),
    }),
    collector: build(scope, 'CollectorImage', {
      file: 'deploy/collector.Dockerfile',
      buildArgs: { COLLECTOR_IMAGE: collector },
    }),
  };
}

function build(scope: Construct, id: string, options: Omit<DockerImageAssetProps, 'directory'>): ecs.ContainerImage {
  return ecs.ContainerImage.fromDockerImageAsset(
    new DockerImageAsset(scope, id, {
      directory: ROOT,
      platform: Platform.LINUX_ARM64,
      ignoreMode: IgnoreMode.DOCKER,
      ...options,
    }),
  );
}
