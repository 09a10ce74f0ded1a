/** The answers that API Gateway gives on its own, as its default gateway responses word them. */
import type { ServerResponse } from 'node:http';

const ANSWERS = {
  unauthorized: [401, 'UnauthorizedException', { message: 'Unauthorized' }],
  'explicitly-denied': [
    403,
    'AccessDeniedException',
    { Message: 'User is not authorized to access this resource with an explicit deny' },
  ],
  'not-allowed': [403, 'AccessDeniedException', { Message: 'User is not authorized to access this resource' }],
  'authorizer-failed': [500, 'AuthorizerConfigurationException', { message: null }],
  'bad-request': [400, 'BadRequestException', { message: 'Bad Request' }],
  'too-large': [413, 'RequestTooLargeException', { message: 'Request Too Long' }],
  'backend-failed': [504, 'InternalServerErrorException', { message: 'Network error communicating with endpoint' }],
  'backend-late': [504, 'InternalServerErrorException', { message: 'Endpoint request timed out' }],
} as const;

export type GatewayAnswer = keyof typeof ANSWERS;

/** Once a reply has begun only cutting it says that it failed. */
export function giveAnswer(response: ServerResponse, answer: GatewayAnswer): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const [status, errorType, body] = ANSWERS[answer];
  const headers = { 'content-type': 'application/json', 'x-amzn-errortype': errorType };
  // What is left of the request's body is not read, so the connection cannot serve another one.
  response.writeHead(status, { ...headers, connection: 'close' }).end(JSON.stringify(body));
}
