/** The pages of the console and of the portal: one build with two entries, so that each browser loads only its own views. */
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';
import { ERROR_CODES } from '../shared/errors.ts';

/** Where the API is, for `npx vite console` next to a running fleet. */
const API = 'http://127.0.0.1:8080';

/** What each error code means and what to do, as data: the pages say the same as the documentation. */
function errorCodes(): Plugin {
  const id = 'virtual:error-codes';
  return {
    name: 'longshore-error-codes',
    resolveId: (source) => (source === id ? `\0${id}` : null),
    load: (source) => (source === `\0${id}` ? `export default ${JSON.stringify(wordsOfCodes())};` : null),
  };
}

/** What senders read comes with each failure. */
function wordsOfCodes() {
  return Object.fromEntries(
    Object.entries(ERROR_CODES).map(([code, { meaning, remedy }]) => [code, { meaning, remedy }]),
  );
}

/** Layers are in the order in which a page first hears of them, and which file of styles comes first is up to how the build splits them. */
function layerOrder(): Plugin {
  return {
    name: 'longshore-layer-order',
    enforce: 'pre',
    transform: (code, id) => (id.endsWith('.css') ? `@layer base, parts, views;\n${code}` : null),
  };
}

// What is served is the same, whoever builds it: tests have their own environment, and React is three times as large in it.
function buildForUse(command: string): void {
  if (command === 'build') process.env.NODE_ENV = 'production';
}

export default defineConfig(({ command }) => {
  buildForUse(command);
  return {
    root: import.meta.dirname,
    // Assets are found from where the page is served: under /console, or under /portal.
    base: './',
    plugins: [react(), errorCodes(), layerOrder()],
    css: { modules: { localsConvention: 'camelCaseOnly' } },
    build: {
      target: 'es2024',
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      sourcemap: false,
      // What a strict policy takes: no data: URL in place of a script or a font.
      assetsInlineLimit: 0,
      rolldownOptions: {
        input: {
          console: `${import.meta.dirname}/console.html`,
          portal: `${import.meta.dirname}/portal.html`,
        },
      },
    },
    server: { proxy: { '/api': API, '/auth': API } },
  };
});
