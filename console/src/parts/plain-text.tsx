/** Words of others, such as file names and partners' messages: shown as text, with what would hide or reorder it made visible. */

/** Control and format characters (direction, no width), private use, lone surrogates, separators of lines and paragraphs. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

export function visibleText(text: string): string {
  return text.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}

export function PlainText({ children }: { readonly children: string | null | undefined }) {
  return <bdi>{visibleText(children ?? '')}</bdi>;
}
