/**
 * The HTTP server of the control API: limits, guard, error form, pages and routes.
 *
 * 1. Whatever is sent, the answer is JSON of ours: also to what never becomes a request (`refuse-malformed.ts`).
 * 2. Every stage has a bound: headers and body must arrive, and an answer must leave, in time; bodies have at most 1 MiB; a socket has a few
 *    requests under way at most. Files are the exception: streamed, of any size, and bounded by standing still.
 */
import { randomUUID } from 'node:crypto';
import Fastify, { type FastifyReply } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Setting } from '#shared/api/settings.ts';
import type { MailTransports } from '#shared/campaigns/mail-transports.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type AddressGuard, createAddressGuard } from '#shared/http/address-guard.ts';
import type { MailServer } from '#shared/notices/send-mail.ts';
import { summariseByErrors } from '#shared/records/summarise-records.ts';
import { createRemoteDirectory, type RemoteDirectory } from '#shared/remotes/remote-directory.ts';
import type { ReasonRule } from '#shared/reviews/reason-rule.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { handleAccess } from './access/handle-access.ts';
import { handleKeys } from './access/handle-keys.ts';
import { handlePeople } from './access/handle-people.ts';
import { handleSftpUsers } from './access/handle-sftp-users.ts';
import { handleActions } from './actions/handle-actions.ts';
import { handleResend } from './actions/handle-resend.ts';
import { handleAudit } from './audit/handle-audit.ts';
import { handleBatches } from './batches/handle-batches.ts';
import { handleCampaignAnalytics } from './campaigns/handle-campaign-analytics.ts';
import { handleCampaignMails } from './campaigns/handle-campaign-mails.ts';
import { handleCampaigns } from './campaigns/handle-campaigns.ts';
import { handleErasure } from './campaigns/handle-erasure.ts';
import { handleMailSearch } from './campaigns/handle-mail-search.ts';
import { handleSuppressions } from './campaigns/handle-suppressions.ts';
import { handleTemplates } from './campaigns/handle-templates.ts';
import { handleUnsubscribe } from './campaigns/handle-unsubscribe.ts';
import type { ChatSettings } from './chat/chat-settings.ts';
import { handleChat } from './chat/handle-chat.ts';
import { handleDefinitions } from './definitions/handle-definitions.ts';
import type { SimulationLimits } from './definitions/simulate-file.ts';
import { handleEffects } from './effects/handle-effects.ts';
import { handleOccurrences } from './expectations/handle-occurrences.ts';
import { createStatusFinder } from './files/find-status.ts';
import { handleFiles } from './files/handle-files.ts';
import { handleStatus } from './files/handle-status.ts';
import { handleTimeline } from './files/handle-timeline.ts';
import { handleGraphql } from './graphql/handle-graphql.ts';
import type { ApiParts, ApiServer } from './http/api-server.ts';
import type { Authenticate } from './http/authenticate.ts';
import type { AuthenticateBearer } from './http/authenticate-bearer.ts';
import { boundAnswers } from './http/bound-answers.ts';
import { createBoundedServer } from './http/bound-sockets.ts';
import { describeApi } from './http/describe-api.ts';
import { toErrorReply } from './http/error-reply.ts';
import { createEventStreams } from './http/event-streams.ts';
import { observeRequests } from './http/observe-requests.ts';
import type { OwnCertificate } from './http/own-certificate.ts';
import { protectAnswers, protectingHeaders } from './http/protect-answers.ts';
import { refuseMalformed } from './http/refuse-malformed.ts';
import { guardRequests } from './http/request-guard.ts';
import { requireTickets } from './http/require-tickets.ts';
import { handleJobEvents } from './jobs/handle-job-events.ts';
import { handleJobs } from './jobs/handle-jobs.ts';
import { handleLive } from './live/handle-live.ts';
import { handleNotices } from './operations/handle-notices.ts';
import { handleDeadLetters, handleQueues } from './operations/handle-operations.ts';
import { handleOverview } from './overview/handle-overview.ts';
import { keepToHosts } from './pages/app-hosts.ts';
import { type ServePagesOptions, servePages } from './pages/serve-pages.ts';
import { handlePartnerControl } from './partners/handle-partner-control.ts';
import { handlePartnerHealth } from './partners/handle-partner-health.ts';
import { handleProposals } from './proposals/handle-proposals.ts';
import { handlePulls } from './pulls/handle-pulls.ts';
import { handleRemotes } from './pulls/handle-remotes.ts';
import { handleReceipts } from './receipts/handle-receipts.ts';
import { createRecordCounter } from './records/count-records.ts';
import { handleRecords } from './records/handle-records.ts';
import { handleRestore } from './retention/handle-restore.ts';
import { handleRetention } from './retention/handle-retention.ts';
import { handleOpenReviews } from './reviews/handle-open-reviews.ts';
import { handleReviews } from './reviews/handle-reviews.ts';
import { handleSearch } from './search/handle-search.ts';
import { handleSettings } from './settings/handle-settings.ts';
import { handleSftpSessions } from './sftp/handle-sftp-sessions.ts';
import { handleLinks } from './sign-in/handle-links.ts';
import { handleMail } from './sign-in/handle-mail.ts';
import { handleOidc } from './sign-in/handle-oidc.ts';
import { createOidcAudiences } from './sign-in/oidc-audiences.ts';
import { pageOriginsOf, type SignInSettings } from './sign-in/sign-in-settings.ts';
import { handleDownloads } from './uploads/handle-downloads.ts';
import { handleSentFiles } from './uploads/handle-sent-files.ts';
import { handleUploadLinks } from './uploads/handle-upload-links.ts';
import { handleUploads } from './uploads/handle-uploads.ts';
import type { LandingAccess } from './uploads/landing-access.ts';
import { handleUsage } from './usage/handle-usage.ts';

export interface AppOptions extends ApiParts, SimulationLimits, ServePagesOptions {
  readonly authenticate: Authenticate;
  readonly authenticateSession: Authenticate;
  readonly noteSessionUse: (sessionId: string) => void;
  readonly signIn: SignInSettings;
  /** For sign-in links; undefined: there are none by mail. */
  readonly mailServer: MailServer | undefined;
  readonly secrets: SecretStore;
  readonly chat: ChatSettings;
  readonly landing: LandingAccess;
  /** Name in the secret store of what review links are signed with; undefined: there are none. */
  readonly linkSecret: string | undefined;
  /** Where those links lead. */
  readonly publicUrl?: string | undefined;
  /** For tests of campaigns. */
  readonly transports: MailTransports;
  /** Name in the secret store of what receipts are signed with; undefined: there are none. */
  readonly receiptSecret?: string | undefined;
  /** In place of the clock of this host. */
  readonly now?: () => number;
  readonly authenticateBearer?: AuthenticateBearer | undefined;
  readonly ratePerSecond: number;
  /** Actions on more rows than this wait for a second person. */
  readonly actionApprovalOver: number | undefined;
  /** Of reasons that operators give; any will do when absent. */
  readonly reasonRule?: ReasonRule | undefined;
  /** What people may see of the configuration. */
  readonly settings?: readonly Setting[];
  readonly strangerRatePerMinute: number;
  readonly trustedProxies: readonly string[];
  /** To speak TLS with; plain HTTP when absent. */
  readonly certificate?: OwnCertificate;
  /** For a whole request that is not a file; 15 s when absent. */
  readonly arrivalMs?: number;
  /** For a whole answer; 20 s when absent. */
  readonly answerMs?: number;
  /** Of remotes; public addresses alone when absent. */
  readonly remoteGuard?: AddressGuard;
  /** Of partners' APIs, for test calls; public addresses alone when absent. */
  readonly partnerGuard?: AddressGuard;
  readonly streamsPerKey: number;
  /** For one body of definitions to be checked, by the clock on the wall; 15 s when absent. */
  readonly definitionsMs?: number;
  readonly streams: number;
  /** 15 s when absent. */
  readonly heartbeatMs?: number;
  /** For a whole stream; an hour when absent. */
  readonly streamMs?: number;
}

const BODY_LIMIT_BYTES = 1_048_576;
/** For headers and body to arrive; slow senders hold a socket no longer. */
const ARRIVAL_MS = 15_000;
/** Longer than any redrive call; shorter than `statement_timeout`, so that it is we who answer. */
const ANSWER_MS = 20_000;
/** Longer than what load balancers keep idle connections for, so that it is they who close. */
const KEEP_ALIVE_MS = 75_000;
const LONGEST_PARAMETER = 128;
const REMOTE_LEASE_MS = 30_000;

export async function buildApp(options: AppOptions): Promise<ApiServer> {
  const app: ApiServer = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT_BYTES,
    serverFactory: (handle) =>
      createBoundedServer(
        handle,
        {
          ...{ arrivalMs: options.arrivalMs ?? ARRIVAL_MS, headersTimeout: ARRIVAL_MS },
          ...{ keepAliveTimeout: KEEP_ALIVE_MS, certificate: options.certificate },
        },
        options.logger,
      ),
    forceCloseConnections: 'idle',
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    routerOptions: { maxParamLength: LONGEST_PARAMETER, ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => {
      const { status, body } = toErrorReply(error);
      options.logger.info({ requestId: request.id, status, code: body.code }, 'request refused');
      void (reply as FastifyReply)
        .code(status)
        .headers({ ...protectingHeaders(request), 'x-request-id': request.id })
        .type('application/json')
        .send(JSON.stringify(body));
    },
    clientErrorHandler: refuseMalformed,
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = toErrorReply(error);
    return reply.code(status).send(body);
  });
  takeJsonOnly(app);
  boundAnswers(app, options.answerMs ?? ANSWER_MS);
  observeRequests(app, options);
  protectAnswers(app);
  keepToHosts(app, options.signIn);
  await guardRequests(app, { ...options, pageOrigins: pageOriginsOf(options.signIn) });
  requireTickets(app, options.reasonRule);
  app.setNotFoundHandler(() => {
    throw new LongshoreError('NOT_FOUND', 'There is no such endpoint.', {
      hint: '`/docs` lists the endpoints and their methods.',
    });
  });

  await describeApi(app);
  const countRecords = createRecordCounter({ summarise: (jobId) => summariseByErrors(options.sql, jobId) });
  const findStatus = createStatusFinder({ reads: options.reads, countRecords });
  handleStatus(app, findStatus);
  handleGraphql(app, findStatus);
  await handleChat(app, { ...options, findStatus, publicUrl: options.signIn.portalOrigin });
  handleFiles(app, options);
  handleTimeline(app, options);
  handleJobs(app, options, countRecords);
  handleResend(app, options);
  handleActions(app, options);
  handleEffects(app, options);
  handleOccurrences(app, options, options.now);
  handleBatches(app, options);
  const streams = createEventStreams(app, options);
  handleJobEvents(app, options, streams);
  handleLive(app, options, streams);
  handleReceipts(app, options);
  handleRetention(app, options);
  handleRestore(app, options);
  handleSearch(app, options);
  handleOverview(app, options);
  handlePartnerHealth(app, options);
  handlePartnerControl(app, { ...options, partnerGuard: options.partnerGuard ?? createAddressGuard({ allow: [] }) });
  handleRecords(app, options);
  handleTemplates(app, options);
  handleCampaigns(app, options, countRecords);
  handleCampaignMails(app, { ...options, publicUrl: options.publicUrl });
  handleCampaignAnalytics(app, options);
  handleMailSearch(app, options);
  handleSuppressions(app, options);
  handleErasure(app, options);
  await handleUnsubscribe(app, options);
  await handleDefinitions(app, options);
  handleProposals(app, options);
  handleDeadLetters(app, options);
  handleNotices(app, options);
  handleQueues(app, options);
  const audiences = createOidcAudiences(options.signIn, options);
  handleOidc(app, { ...options, audiences });
  handleMail(app, { ...options, portalOrigin: options.signIn.portalOrigin });
  handleLinks(app, { ...options, audiences, hasMail: options.mailServer !== undefined });
  handleKeys(app, options);
  handlePeople(app, options);
  handleAccess(app, options);
  handleSftpUsers(app, options);
  handleAudit(app, options);
  handleSftpSessions(app, options);
  handleUsage(app, options);
  handleSettings(app, options);
  await handleReviews(app, options);
  handlePulls(app, options);
  handleRemotes(app, options, openRemotes(app, options));
  handleOpenReviews(app, options);
  await servePages(app, options);
  handleUploads(app, options);
  await handleSentFiles(app, options);
  handleDownloads(app, options);
  await handleUploadLinks(app, { ...options, publicUrl: options.signIn.portalOrigin });
  return app;
}

/** JSON only, and an empty body is none: some clients name a type for a body they do not send. */
function takeJsonOnly(app: ApiServer): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, text, done) => {
    if (text === '') done(null, undefined);
    else parse(request, text, done);
  });
}

/** For tests of remotes, at a person's request. */
function openRemotes(
  app: ApiServer,
  { sql, secrets, logger, remoteGuard = createAddressGuard({ allow: [] }) }: AppOptions,
): RemoteDirectory {
  const remotes = createRemoteDirectory({
    ...{ sql, secrets, logger, leaseMs: REMOTE_LEASE_MS, worker: `control-api/${process.pid}`, service: 'control-api' },
    addressGuard: remoteGuard,
  });
  app.addHook('onClose', () => remotes.close());
  return remotes;
}
