/** The state of a file, in words of the one who sent it. */
import { signOf, wordOf } from './words.ts';

export function State({ status }: { readonly status: string }) {
  const word = wordOf(status);
  return (
    <span>
      <span aria-hidden="true">{signOf(word)} </span>
      <span>{word}</span>
    </span>
  );
}
