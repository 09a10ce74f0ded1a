/** One home of the drill as its own process, so that it can be killed whole. It does what it is asked over the channel to its parent. */
import { type StartStackOptions, startStack } from '#local/stack.ts';
import type { HomeAnswer, HomeQuestion } from './start-home.ts';

const options = JSON.parse(process.argv[2] ?? '') as StartStackOptions;
const answer = (message: HomeAnswer) => void process.send?.(message);

const stack = await startStack(options);

async function carryOut(question: HomeQuestion): Promise<void> {
  if (question === 'promote') await stack.promote();
  else if (question === 'standDown') await stack.standDown();
  else await stack.stop();
}

const state = () => {
  const { role, fencedData, endpoints, env, processes } = stack;
  return { role, endpoints, env, processes: Object.keys(processes), ...(fencedData !== undefined && { fencedData }) };
};

process.on('message', (question: HomeQuestion) => {
  carryOut(question).then(
    () => {
      answer({ about: question, state: state() });
      if (question === 'stop') process.exit(0);
    },
    (error: unknown) => answer({ about: question, error: String(error) }),
  );
});
// Its parent was killed: the guardian stops the children.
process.once('disconnect', () => process.exit(1));
answer({ about: 'start', state: state() });
