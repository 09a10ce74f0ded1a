/** Copies a text, such as the command that does the same as a page or a button. */
import { say } from './toast.tsx';

interface CopyProps {
  readonly text: string;
  readonly label?: string;
  readonly className?: string;
}

export function Copy({ text, label = 'Copy', className = 'plain' }: CopyProps) {
  return (
    <button
      type="button"
      className={className}
      title={text}
      onClick={() => {
        void navigator.clipboard.writeText(text).then(
          () => say('Copied.'),
          () => say('The browser does not let this page copy.'),
        );
      }}
    >
      {label}
    </button>
  );
}

/** `longshore` and its words, each quoted for a shell where it has to be. */
export function commandText(...words: readonly string[]): string {
  return ['longshore', ...words]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

export function CopyCommand({ words }: { readonly words: readonly string[] }) {
  return <Copy text={commandText(...words)} label="Copy as command" />;
}
