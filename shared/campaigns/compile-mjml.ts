/** MJML in, HTML or faults out. Nothing that a template names is read. */
import mjml2html from 'mjml';

interface CompiledMjml {
  readonly html: string;
  readonly faults: readonly { readonly line: number; readonly message: string }[];
}

export async function compileMjml(source: string): Promise<CompiledMjml> {
  try {
    const { html, errors } = await mjml2html(source, {
      validationLevel: 'soft',
      ignoreIncludes: true,
      // Its own would be fetched from elsewhere by whoever opens the mail.
      fonts: {},
      keepComments: false,
    });
    return { html, faults: errors.map(({ line, message }) => ({ line: line ?? 1, message })) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { html: '', faults: [{ line: 1, message: message.slice(0, 500) }] };
  }
}
