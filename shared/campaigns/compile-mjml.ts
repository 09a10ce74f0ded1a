/**
 * The child process of `check-template.ts`: MJML on its standard input, HTML or faults on its output. A process of its own, since the compiler
 * takes 150 MB and has no bound on its time; nothing that a template names is read.
 */
import { text } from 'node:stream/consumers';
import mjml2html from 'mjml';

const source = await text(process.stdin);
try {
  const { html, errors } = await mjml2html(source, {
    validationLevel: 'soft',
    ignoreIncludes: true,
    // Its own would be fetched from elsewhere by whoever opens the mail.
    fonts: {},
    keepComments: false,
  });
  const faults = errors.map(({ line, message }) => ({ line, message }));
  process.stdout.write(JSON.stringify({ html, faults }));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stdout.write(JSON.stringify({ html: '', faults: [{ line: 1, message: message.slice(0, 500) }] }));
}
