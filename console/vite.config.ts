/** The pages of the console and of the portal: one build with two entries, so that each browser loads only its own views. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where the API is, for `npx vite console` beside a running fleet. */
const API = 'http://127.0.0.1:8080';

export default defineConfig({
  root: import.meta.dirname,
  // Assets are found from where the page is served: under /console, or under /portal.
  base: './',
  plugins: [react()],
  resolve: { tsconfigPaths: false },
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
});
