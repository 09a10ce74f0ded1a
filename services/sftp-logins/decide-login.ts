/**
 * Decides about one login for AWS Transfer Family.
 *
 * 1. It asks the same question as the SFTP gateway of one machine (`findSftpLogin`), at each login: who is disabled or removed, or whose key
 *    is revoked or out of its time, gets in no more from then on, without any deployment.
 * 2. Fails closed. What cannot be decided is thrown, so that it is counted as an error of the function; a refusal is not.
 * 3. A password counts only for a user who is known here and only as the identity provider says. It is in no log.
 */
import type { SftpLogin } from '#shared/access/sftp-users.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import {
  type AnswerOptions,
  REFUSED,
  type TransferAnswer,
  transferEventSchema,
  writeAnswer,
} from './transfer-answer.ts';

export interface LoginParts {
  readonly findLogin: (username: string) => Promise<SftpLogin | undefined>;
  /** Undefined: nobody logs in with a password. */
  readonly checkPassword: ((username: string, password: string) => Promise<boolean>) | undefined;
  /** Of another home's standby, which has its own users. */
  readonly askOther: ((event: unknown) => Promise<TransferAnswer>) | undefined;
  readonly places: Omit<AnswerOptions, 'withKeys'>;
  readonly logger: Logger;
}

export function createLoginHandler({ findLogin, checkPassword, askOther, places, logger }: LoginParts) {
  return async (event: unknown): Promise<TransferAnswer> => {
    const asked = transferEventSchema.safeParse(event);
    if (!asked.success) throw new LongshoreError('REQUEST_INVALID', 'The event is not a login of AWS Transfer Family.');
    const { username, password, sourceIp, protocol } = asked.data;
    const by = password === undefined || password === '' ? 'key' : 'password';
    const say = (outcome: string) => logger.info({ username, sourceIp, by, outcome }, 'login decided');
    if (protocol !== undefined && protocol !== 'SFTP') {
      say('protocol refused');
      return REFUSED;
    }
    const login = await findLogin(username);
    if (login === undefined) {
      if (askOther !== undefined) return await askOther(event);
      say('unknown or disabled');
      return REFUSED;
    }
    if (by === 'password') {
      const isRight = checkPassword !== undefined && (await checkPassword(username, password ?? ''));
      say(isRight ? 'accepted' : 'password refused');
      return isRight ? writeAnswer(login, { ...places, withKeys: false }) : REFUSED;
    }
    if (login.publicKeys.length === 0) {
      say('no valid key');
      return REFUSED;
    }
    say('keys given');
    return writeAnswer(login, { ...places, withKeys: true });
  };
}
