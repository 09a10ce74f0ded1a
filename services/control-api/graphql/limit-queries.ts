/** What one document may cost. A rule of validation: nothing is looked up for a document that is over a limit. Pure. */
import { type ASTVisitor, GraphQLError, type ValidationContext } from 'graphql';

/** Each field of `Query` is its own look-up, whatever its alias. */
export const MOST_LOOKUPS = 10;
/** Over the whole document, fragments too. */
export const MOST_FIELDS = 100;
/** `getFileStatus { file_id }` is 2; the rest is for introspection. */
export const DEEPEST = 5;

export function limitQueries(context: ValidationContext): ASTVisitor {
  let lookups = 0;
  let fields = 0;
  let depth = 0;
  const refuse = (message: string) =>
    context.reportError(new GraphQLError(message, { extensions: { code: 'REQUEST_INVALID' } }));
  return {
    Field: {
      enter() {
        fields += 1;
        depth += 1;
        if (context.getParentType()?.name === 'Query') lookups += 1;
        if (depth === DEEPEST + 1) refuse(`The query is nested over ${DEEPEST} levels.`);
        if (fields === MOST_FIELDS + 1) refuse(`The query has over ${MOST_FIELDS} fields.`);
        if (lookups === MOST_LOOKUPS + 1) refuse(`The query asks for over ${MOST_LOOKUPS} files; ask in parts.`);
      },
      leave() {
        depth -= 1;
      },
    },
    // Nesting over fragments would need its own count, and a query of files needs none.
    FragmentSpread(node) {
      if (depth > 1) refuse(`The fragment ${node.name.value} is spread below the first level.`);
    },
  };
}
