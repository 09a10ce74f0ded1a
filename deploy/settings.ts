/**
 * What a fleet is to be, from a YAML file: size, regions, domain, who may reach it. Unknown keys are faults, and all faults come at once.
 *
 * 1. A file names one fleet for each region. In a pair, each is the home of its own tenants, and the other holds a standby of it.
 * 2. Prefixes differ by region: they begin the names of buckets, which all accounts of AWS share.
 */
import { readFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { settingsShape } from './settings-shape.ts';

const settingsSchema = settingsShape.superRefine(
  ({ size, homes, alarms, audit, backup, doors, images, partnerApis, failedOver, returning }, context) => {
    if (size === 'prod' && alarms.emails.length + alarms.urls.length === 0)
      context.addIssue({ code: 'custom', path: ['alarms'], message: 'must name somebody who is called' });
    for (const key of ['region', 'prefix'] as const) {
      if (new Set(homes.map((home) => home[key])).size < homes.length) {
        context.addIssue({ code: 'custom', path: ['homes'], message: `two homes have the same ${key}` });
      }
    }
    for (const image of ['node', 'collector'] as const) {
      // A tag may name something else tomorrow.
      if (size === 'prod' && !/@sha256:[0-9a-f]{64}$/.test(images[image])) {
        const message = 'must end with the digest of the image in production, @sha256:...';
        context.addIssue({ code: 'custom', path: ['images', image], message });
      }
    }
    if (size === 'dev' && audit.guardDutyRuntime) {
      const message = 'is for size prod: the smallest tasks have no memory for its agent';
      context.addIssue({ code: 'custom', path: ['audit', 'guardDutyRuntime'], message });
    }
    const networks = homes.flatMap(({ cidr, standbyCidr }) => [
      cidr,
      ...(standbyCidr === undefined ? [] : [standbyCidr]),
    ]);
    for (const [index, network] of networks.entries()) {
      const other = networks.slice(0, index).find((each) => overlap(each, network));
      // Networks that a transit gateway is to join have to differ.
      if (other !== undefined)
        context.addIssue({ code: 'custom', path: ['homes'], message: `the networks ${other} and ${network} overlap` });
    }
    const isPair = homes.length === 2;
    const needed = { standbyCidr: isPair, healthCheckers: isPair && doors === 'public' };
    for (const [index, home] of homes.entries()) {
      for (const key of ['standbyCidr', 'healthCheckers'] as const) {
        if ((home[key] !== undefined) === needed[key]) continue;
        const whose = key === 'standbyCidr' ? 'two homes' : 'two homes with public doors';
        const message = needed[key] ? `is needed: there are ${whose}` : `is for ${whose} only`;
        context.addIssue({ code: 'custom', path: ['homes', index, key], message });
      }
      if (backup?.copyTo !== undefined && backup.copyTo[home.region] === undefined) {
        const message = `must name a vault for ${home.region}`;
        context.addIssue({ code: 'custom', path: ['backup', 'copyTo'], message });
      }
      if (partnerApis?.loadBalancers !== undefined && partnerApis.loadBalancers[home.region] === undefined) {
        const message = `must name one in ${home.region}`;
        context.addIssue({ code: 'custom', path: ['partnerApis', 'loadBalancers'], message });
      }
    }
    if (doors === 'private' && partnerApis !== undefined) {
      const message = 'is for public doors: the gateway of partners is public';
      context.addIssue({ code: 'custom', path: ['partnerApis'], message });
    }
    if (returning && failedOver === undefined) {
      const message = 'is for the time after a failover: failedOver must name the region';
      context.addIssue({ code: 'custom', path: ['returning'], message });
    }
    if (failedOver !== undefined && !(isPair && homes.some(({ region }) => region === failedOver))) {
      context.addIssue({ code: 'custom', path: ['failedOver'], message: 'must be the region of one of two homes' });
    }
  },
);

function overlap(one: string, other: string): boolean {
  const contains = (outer: string, inner: string): boolean => {
    const [address = '', length = ''] = outer.split('/');
    const list = new BlockList();
    list.addSubnet(address, Number(length), 'ipv4');
    return list.check(inner.split('/')[0] ?? '');
  };
  return contains(one, other) || contains(other, one);
}

export type DeploySettings = z.output<typeof settingsSchema>;
export type HomeSettings = DeploySettings['homes'][number];

/** @throws LongshoreError `CONFIG_INVALID` with every fault. */
export function readSettings(path: string): DeploySettings {
  const parsed = settingsSchema.safeParse(parse(readFileSync(path, 'utf8')));
  if (parsed.success) {
    const { npmrc, ...images } = parsed.data.images;
    return { ...parsed.data, images: { ...images, ...(npmrc && { npmrc: resolve(dirname(path), npmrc) }) } };
  }
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(all)'}: ${issue.message}`);
  throw new LongshoreError('CONFIG_INVALID', `${path} is invalid:\n  ${faults.join('\n  ')}`, { details: { faults } });
}
