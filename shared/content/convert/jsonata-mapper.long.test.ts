/** Every expression that is known to take too much memory at once: a child process each. */
import { endGreedyExpressions, GREEDY_EXPRESSIONS } from '#testkit/checks/end-greedy-expressions.ts';

endGreedyExpressions(Object.keys(GREEDY_EXPRESSIONS) as (keyof typeof GREEDY_EXPRESSIONS)[]);
