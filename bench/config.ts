/** What a measuring process gets of the environment: all of it, for the programs that it runs, and the memory of our services. */
import { MEMORY_VARIABLES } from '#shared/runtime/config/memory.ts';

export function measuringEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, ...MEMORY_VARIABLES };
}
