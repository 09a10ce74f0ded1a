/** The program of `parse-definitions.ts`: a body in, what it came to out. */
import { answerQuestions } from '#shared/confined/answer-questions.ts';
import { readDefinitions } from './read-definitions.ts';

answerQuestions(readDefinitions);
