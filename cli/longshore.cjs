#!/usr/bin/env node
'use strict';
// The `longshore` command for any Node and any directory: it continues with the Node that Longshore brings. Written in CommonJS and old
// syntax on purpose, as `scripts/install.cjs` is.
const { spawn } = require('node:child_process');
const { existsSync } = require('node:fs');
const { constants } = require('node:os');
const { join } = require('node:path');

const root = join(__dirname, '..');
const main = join(__dirname, 'main.ts');
const NEEDED = 24;

// Set by npm for scripts: files that are named here are those of the working directory.
delete process.env.INIT_CWD;

if (!existsSync(join(root, 'node_modules'))) require('../scripts/install.cjs');

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  process.argv[1] = main;
  import('./main.ts');
} else {
  const node = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (!existsSync(node)) {
    console.error(`Longshore needs Node.js ${NEEDED} or newer here, and this is ${process.version}.`);
    process.exit(2);
  }
  const child = spawn(node, [main].concat(process.argv.slice(2)), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}
