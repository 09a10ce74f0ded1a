'use strict';
// Installs what `npm start` and `npm test` need, with whatever Node runs npm. Written in CommonJS and old syntax on
// purpose: this is the one file that must run, or refuse clearly, on any Node.
const { spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const stampFile = join(root, 'node_modules', '.longshore-installed');
const major = Number(process.versions.node.split('.')[0]);
const bringsNode = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');

if (major < 20 || (major < 24 && !bringsNode)) {
  const wanted = bringsNode ? '20 or newer' : '24 or newer';
  console.error(
    `Longshore needs Node.js ${wanted} here, and this is ${process.version}: install it and run the command again.`,
  );
  process.exit(1);
}

const stamp = ['package.json', 'package-lock.json']
  .map((file) =>
    createHash('sha256')
      .update(readFileSync(join(root, file)))
      .digest('hex'),
  )
  .concat(`${process.platform}-${process.arch}`)
  .join('\n');
const isInstalled = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;

if (!isInstalled) {
  // `npm ci` fails on registries that lack builds for other platforms; `--no-save` leaves the lockfile untouched.
  const npm = process.env.npm_execpath;
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  // NODE_ENV=production, or a person's npm settings, would leave out the embedded stack or the right Node.
  args.push('--include=dev', '--include=optional');
  const result = npm
    ? spawnSync(process.execPath, [npm].concat(args), { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, stdio: 'inherit' });
  if (result.status !== 0) {
    console.error('npm install failed: see the lines above; check that the package registry can be reached.');
    process.exit(1);
  }
  if (major < 24 && !existsSync(join(root, 'node_modules', '.bin', 'node'))) {
    console.error(
      'npm did not install the Node.js that Longshore brings: install Node.js 24 and run the command again.',
    );
    process.exit(1);
  }
  writeFileSync(stampFile, stamp);
}
