/** Words of others, such as file names and partners' messages: shown as text, with what would hide or reorder it made visible. */

/** Control characters, bidirectional marks, and what has no width. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

export function visibleText(text: string): string {
  return text.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}

export function PlainText({ children }: { readonly children: string | null | undefined }) {
  return <bdi>{visibleText(children ?? '')}</bdi>;
}
