/** Commands of `longshore` in a page that the program does not have, or with options that they do not take. */
import type { Command } from 'commander';

/** In a block, a span or a sentence: up to what the shell or the text takes for itself. */
const CALL = /(?<![\w/.-])longshore(?: --)? ((?:"[^"\n]*"|'[^'\n]*'|[^`|;&#<>()\n"'])+)/g;
const IN_CODE = /```\w*\n([\s\S]*?)```|`([^`]+)`/g;

export function findUnknownCommands(program: Command, page: string): string[] {
  const code = [...page.matchAll(IN_CODE)].map(([, block, span]) =>
    (block ?? span ?? '').replaceAll(/\\\n\s*|\n(?!.*\n)/g, ' '),
  );
  return code.flatMap((text) => [...text.matchAll(CALL)].flatMap(([, call = '']) => judge(program, call.trim())));
}

function judge(program: Command, call: string): string[] {
  const words = call.replaceAll(/"[^"]*"|'[^']*'/g, 'VALUE').split(/\s+/);
  let command = program;
  const [first = ''] = words;
  // What is not lower case is another thing of this name.
  if (!/^[a-z][a-z-]*$/.test(first)) return [];
  while (words.length > 0) {
    const next = command.commands.find((each) => [each.name(), ...each.aliases()].includes(words[0]!));
    if (next === undefined) break;
    command = next;
    words.shift();
  }
  if (command === program) return [`longshore ${call}`];
  if (
    command.commands.length > 0 &&
    command.registeredArguments.length === 0 &&
    /^[a-z-]+$/.test(words[0] ?? '') &&
    !words[0]!.startsWith('-')
  )
    return [`longshore ${call}`];
  const known = new Set([...program.options, ...command.options].flatMap(({ long, short }) => [long, short]));
  const unknown = words.filter(
    (word) => /^--?[a-z]/.test(word) && !known.has(word.split('=')[0]!) && word !== '--help',
  );
  return unknown.length === 0 ? [] : [`longshore ${call}: ${unknown.join(' ')}`];
}
