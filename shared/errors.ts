/**
 * Every error code that Longshore shows to anyone, with what it means and what to do.
 *
 * `docs/reference/errors.md` lists the same codes; a test compares the two. A code is stable: it is never renamed or given another
 * meaning, because partners and operators match on it.
 */

export interface ErrorCodeEntry {
  /** What happened, as one sentence. */
  readonly meaning: string;
  /** What the operator should do about it, as one sentence. */
  readonly remedy: string;
  /** Of what a file can fail with: what its sender reads. */
  readonly sender?: WordsForSender;
}

/**
 * The sender has the file and the portal, and neither routes nor logs. `correct`: the fault is in what was sent; it follows the message,
 * which names the line. `instead`: it is shown without the message, which names what is the operator's.
 */
export type WordsForSender = { readonly correct: string } | { readonly instead: string };

const OUR_SIDE = {
  instead:
    'Nothing for you to do: the fault is not in your file. The operator continues with it; do not send it again.',
} as const satisfies WordsForSender;

export const ERROR_CODES = {
  // Start-up and configuration
  CONFIG_INVALID: {
    meaning: 'The environment of a process is incomplete or contradictory.',
    remedy: 'Correct every listed variable and start the process again.',
  },
  OPTION_INVALID: {
    meaning: 'A command was given an unknown option, or a value that the option does not accept.',
    remedy: 'Run the command with --help for its options.',
  },
  DEPENDENCY_UNAVAILABLE: {
    meaning: 'A database, queue or object store did not answer in time.',
    remedy: 'Check that dependency. Work continues when it answers again.',
    sender: OUR_SIDE,
  },
  // Messages
  MESSAGE_INVALID: {
    meaning: 'A queue message is not JSON or does not match any known message schema.',
    remedy: 'See the parked dead letter and find the sender. Then discard it or send a corrected message.',
    sender: OUR_SIDE,
  },
  HANDLER_DEADLINE_EXCEEDED: {
    meaning: 'Processing a queue message took longer than its deadline and was stopped.',
    remedy: 'Find the slow dependency in the log lines of that time. The message is received again.',
    sender: OUR_SIDE,
  },
  REPLICA_AWAITED: {
    meaning: 'After a failover: an object of the file had not been replicated before the other region was lost.',
    remedy: 'Bring the other region back. Its objects are copied then, and the job continues. After a day it fails.',
    sender: OUR_SIDE,
  },
  WORKER_STOPPING: {
    meaning: 'A service stopped and could not finish the message it was processing.',
    remedy: 'Nothing to do. The message is received again and another worker processes it.',
    sender: OUR_SIDE,
  },
  BRANCH_GIVEN_BACK: {
    meaning: 'A branch was still waiting behind others of its file after 10 s, and was released to other workers.',
    remedy: 'Nothing to do. It is put into the queue of its lane within seconds.',
    sender: OUR_SIDE,
  },
  INTERNAL: {
    meaning: 'An unexpected error occurred in Longshore.',
    remedy: 'Report it with the job id and the log lines of that time.',
    sender: OUR_SIDE,
  },
  // One machine: what `npm start` runs
  POSTGRES_NOT_INSTALLED: {
    meaning: 'The embedded PostgreSQL is not installed for this platform.',
    remedy:
      'Run `npm install` again. On an unsupported platform, run the services with your own PostgreSQL, see docs/guides/your-own-servers.md.',
  },
  POSTGRES_ROOT_REFUSED: {
    meaning: 'PostgreSQL refuses to run as root, and this machine has no way to run it as another user.',
    remedy: 'Run the command as a plain user, or install util-linux (unshare, setpriv).',
  },
  POSTGRES_START_FAILED: {
    meaning: 'The embedded PostgreSQL did not start.',
    remedy: 'See the last lines of its log in the message and in `logs/postgres.log` of the home.',
  },
  PORT_IN_USE: {
    meaning: 'A port that the one-machine stack needs is in use.',
    remedy: 'Choose another base with LONGSHORE_PORT_BASE, or stop the other process.',
  },
  HOME_IN_USE: {
    meaning: 'Another running instance uses the same home directory.',
    remedy: 'Stop that instance, or choose another directory with LONGSHORE_HOME.',
  },
  PAIR_UNDECIDED: {
    meaning: 'A home of a pair cannot find out which of the two homes leads.',
    remedy: 'Start the other home first. If it is gone for good, start this one with the option that says so.',
  },
  CHILD_NOT_READY: {
    meaning: 'A process of the one-machine stack did not become ready in time.',
    remedy: 'Read its log in `logs/` of the home.',
  },
  // SFTP gateway: what a client reads in a status message
  NAME_REJECTED: {
    meaning: 'A path or name is not allowed: `..` above the root, control characters or too many bytes.',
    remedy: 'Rename the file as the message says and send it again.',
    sender: { correct: 'Rename the file and send it again.' },
  },
  PARTIAL_UPLOAD: {
    meaning: 'A file did not arrive completely. An incomplete file is never processed.',
    remedy: 'Send the complete file again. Uploads cannot be resumed.',
    sender: { correct: 'Send the complete file again.' },
  },
  DENIED: {
    meaning:
      'The user is not allowed to do this, such as writing to the read-only `/outbound` or creating a symbolic link.',
    remedy: 'Work in your own directories: get files from `/outbound`, put them anywhere else.',
  },
  FILE_NOT_FOUND: {
    meaning: 'The file or directory does not exist. A file leaves the landing directory after processing.',
    remedy: 'List the directory, or ask for the status of the file.',
  },
  NAME_TAKEN: {
    meaning: 'A file or a non-empty directory with that name already exists.',
    remedy: 'Remove it first, or choose another name.',
  },
  NOT_SUPPORTED: {
    meaning: 'The gateway does not support this SFTP request.',
    remedy: 'Use put, get, ls, stat, mkdir, rename, rm or rmdir.',
  },
  // Campaigns
  EMAIL_SYNTAX: {
    meaning: 'A value is not an e-mail address.',
    remedy: 'Correct the row: one address, without a display name, such as ada@example.com.',
    sender: { correct: 'Correct the row: one address, without a display name, such as ada@example.com.' },
  },
  EMAIL_NOT_ASCII: {
    meaning: 'An e-mail address has a letter before the "@" that is not ASCII.',
    remedy: 'Ask the recipient for another address; mail services do not accept this one.',
    sender: { correct: 'Ask the recipient for another address.' },
  },
  EMAIL_DOMAIN: {
    meaning: 'The domain of an e-mail address cannot receive mail: it has no dot, is malformed or is reserved.',
    remedy: 'Correct the row.',
    sender: { correct: 'Correct the row.' },
  },
  SEND_ERROR: {
    meaning: 'A mail of a campaign was not sent. The cause says why.',
    remedy: 'See the cause.',
  },
  SEND_UNKNOWN: {
    meaning: 'The mail service did not confirm whether it accepted a mail. The mail is not sent again.',
    remedy:
      'Wait for the delivery reports of the service. `longshore campaigns recipients --state AMBIGUOUS` lists what remains open.',
  },
  MAIL_DEFERRED: {
    meaning:
      'The mail server does not accept a mail for now; its reply is in the message. The mail is retried for some hours.',
    remedy: 'Nothing at first. If it continues, ask the recipient or the operator of the mail server.',
  },
  MESSAGE_REJECTED: {
    meaning: 'The mail service rejected a mail permanently. Its reply is in the message.',
    remedy: 'Correct the address or the template, and send a campaign to these recipients.',
  },
  RENDER_FAILED: {
    meaning: 'The mail of a recipient could not be made from the template; the message names the variable.',
    remedy: 'Correct the row, or give the variable a default.',
  },
  SUPPRESSED: {
    meaning:
      'The recipient gets no mails of this topic: it unsubscribed, complained, bounced, or was suppressed by an operator.',
    remedy: 'Nothing, or allow the address again with `DELETE /api/v1/suppressions/{address}`.',
  },
  CAMPAIGN_CANCELLED: {
    meaning: 'The campaign was cancelled before this mail was sent.',
    remedy: 'Nothing. Create another campaign to send it.',
  },
  ZONE_UNKNOWN: {
    meaning: 'The value is not the name of a time zone.',
    remedy: 'Send a name of the IANA database, such as Europe/Berlin.',
    sender: { correct: 'Write a name of the IANA database, such as Europe/Berlin.' },
  },
  CAMPAIGN_NOT_READY: {
    meaning: 'The recipients of the campaign have not been read, so no mail of it can be shown or tested.',
    remedy: 'Create the campaign with `hold`, wait until its status is HELD, and ask again.',
  },
  TEMPLATE_TOO_LARGE: {
    meaning: 'A mail template is larger than 512 KiB.',
    remedy: 'Make it smaller: link images instead of embedding them.',
  },
  TEMPLATE_ENCODING: {
    meaning: 'A mail template is not UTF-8 text.',
    remedy: 'Save it as UTF-8 and upload it as a new version.',
  },
  TEMPLATE_SYNTAX: {
    meaning: 'A mail template has a Liquid error, or is not the JSON that its format asks for.',
    remedy: 'Correct the line named and upload the template as a new version.',
  },
  TEMPLATE_MJML: {
    meaning: 'A mail template has an MJML error.',
    remedy: 'Correct the line named and upload the template as a new version.',
  },
  TEMPLATE_UNSAFE: {
    meaning: 'A mail template has a script, a form, an event handler, a link that runs code or a style sheet outside.',
    remedy: 'Remove it and upload the template as a new version.',
  },
  TEMPLATE_NO_SUBJECT: {
    meaning: 'A mail template has no subject, or one of several lines.',
    remedy: 'Put it into <title>, <mj-title> or `subject`, and upload the template as a new version.',
  },
  TEMPLATE_NO_UNSUBSCRIBE: {
    meaning: 'A template for a marketing topic has no unsubscribe link.',
    remedy: 'Add a link to {{ unsubscribe_url }} and upload the template as a new version.',
  },
  TEMPLATE_EXPIRED: {
    meaning: 'A mail template was not uploaded within a day.',
    remedy: 'Ask for a new presigned URL.',
  },
  TEMPLATE_NOT_READY: {
    meaning: 'A campaign names a template that was not uploaded yet, or that has faults.',
    remedy: 'See its faults with GET /api/v1/templates/{template_id}.',
  },
  CAMPAIGN_ENDED: {
    meaning: 'A campaign has ended, and its state cannot be changed any more.',
    remedy: 'See its status. Create a new campaign to send again.',
  },
  PARTNER_CHANGED: {
    meaning: 'Somebody else paused or resumed the partner, or opened or closed its breaker, since you looked.',
    remedy: 'Look again, then decide with the new `revision`.',
  },
  PARTNER_NO_TEST: {
    meaning: 'The definition of the partner has no operation that can be called as a test.',
    remedy: 'Add `test`, with the values of a record, to an operation that has `idempotent: true`.',
  },
  // Routes
  YAML_SYNTAX: {
    meaning:
      'The route file is not valid YAML or uses a feature that Longshore rejects: duplicate keys, too many aliases, more than 1 MiB.',
    remedy: 'Correct the file at that line and apply it again.',
  },
  ROUTE_INVALID: {
    meaning: 'A definition of a tenant or route does not match the schema.',
    remedy: 'Correct every fault listed, at its line, and apply the file again.',
    sender: OUR_SIDE,
  },
  ROUTE_TOO_COMPLEX: {
    meaning: 'Definitions sent to the API could not be checked within the limits of time and memory.',
    remedy: 'Apply them in several smaller files with fewer keys, anchors and levels.',
  },
  DEFINITION_CHANGED: {
    meaning: 'A definition was changed by somebody else since it was read: `If-Match` names an earlier state of it.',
    remedy: 'Read it again, compare it with yours (`details.diff` is the change), and apply yours on top of it.',
  },
  USERNAME_TAKEN: {
    meaning: 'An SFTP user of that name exists. Names are unique over all tenants.',
    remedy: 'Choose another name, or give the user that exists a key.',
  },
  SFTP_KEY_KNOWN: {
    meaning: 'The SFTP user has that key already, or had it until it was revoked. A revoked key stays revoked.',
    remedy: 'Use another key.',
  },
  // Arrival and routing: why a file is quarantined
  TENANT_UNKNOWN: {
    meaning: 'An object is not under the prefix of any tenant in the landing bucket.',
    remedy: 'Create the tenant, or use a tenant’s prefix; then send the file again.',
    sender: { correct: 'Send the file again, to your own folder.' },
  },
  TENANT_DISABLED: {
    meaning: 'An object arrived for a tenant that is disabled.',
    remedy: 'Enable the tenant with `longshore enable tenant`, then ask the sender to send the file again.',
    sender: { instead: 'Your files are not taken at the moment. Ask for help, and send the file again afterwards.' },
  },
  ROUTE_DISABLED: {
    meaning: 'A file cannot be processed on a route that is disabled.',
    remedy: 'Enable the route with `longshore enable route`, or name another one.',
    sender: { instead: 'Files of this kind are not taken at the moment. Ask for help before you send the file again.' },
  },
  NO_ROUTE: {
    meaning: 'No route of the tenant matches the file.',
    remedy: 'Correct `match` of the route that should match, as the message says, then run `longshore reroute FILE`.',
    sender: {
      correct: 'Correct its name, folder or size and send the file again, or ask for help.',
    },
  },
  MANIFEST_INVALID: {
    meaning: 'The manifest of a batch cannot be read, names no file, or names too many.',
    remedy: 'Have the manifest sent again: text with a path on each line, or JSON; at most 10,000 files and 2 MB.',
    sender: {
      correct: 'Send the manifest again: text with a path on each line, or JSON; at most 10,000 files and 2 MB.',
    },
  },
  LEFT_TO_HOME: {
    meaning: 'The home of the tenant is another region, and this fleet processes only files of the regions it serves.',
    remedy:
      'Nothing to do where the fleet of the home region has the file too. Otherwise have it sent there, or add the region to `LONGSHORE_HOME_REGIONS` and run `longshore reroute FILE`.',
    sender: { instead: 'Nothing for you to do: the file is processed in another region.' },
  },
  UPLOAD_REPEATED: {
    meaning:
      'A client sent the PUT to a presigned URL twice with the same content: the first is the file, and this copy takes no route.',
    remedy: 'Nothing to do. To process the copy all the same, run `longshore resend FILE --route ROUTE`.',
    sender: { instead: 'Nothing for you to do: the file came before, and its state counts.' },
  },
  // Jobs ended from outside their worker
  DEAD_LETTER: {
    meaning: 'The message of a job could not be processed, and its step had no attempts left.',
    remedy: 'See the dead letter and the log of its worker, then retry the job.',
    sender: OUR_SIDE,
  },
  CANCELLED: {
    meaning: 'An operator cancelled the job.',
    remedy: 'Nothing to do. The job can be retried.',
    sender: { instead: 'Processing of the file was cancelled. Ask for help if you did not expect that.' },
  },
  REJECTED: {
    meaning: 'An operator rejected a held file. None of its records is processed.',
    remedy: 'Ask the sender to correct the file and send it again. `longshore retry` holds the same job once more.',
    sender: {
      correct:
        'A person looked at the file and did not accept it. Correct the file and send it again, or ask for help.',
    },
  },
  // Steps: the code of a failure says which step, the cause says what
  VALIDATION_ERROR: {
    meaning: 'A file does not meet the requirements of its route.',
    remedy: 'See the cause. Usually the sender has to correct the file and send it again.',
    sender: { correct: 'Correct the file and send it again.' },
  },
  SCAN_ERROR: {
    meaning: 'A file did not pass the virus scan of its route.',
    remedy: 'See the cause. Nothing of the file is delivered by the steps after the scan.',
    sender: OUR_SIDE,
  },
  SCAN_INFECTED: {
    meaning: 'The scanner found a virus in the file. The file is quarantined.',
    remedy:
      'Tell the sender, who has to clean their system. If it is a false alarm, update the signatures of clamd and retry the job: it is scanned again.',
    sender: {
      correct: 'Clean your system, and send the file again once it is clean.',
    },
  },
  SCAN_TOO_LARGE: {
    meaning: 'The file, or something in it, is larger than the scanner examines.',
    remedy: 'Raise `maxSize` of the step and the limits of clamd, or ask the sender for smaller files.',
    sender: { correct: 'The file is too large to be scanned for viruses. Send it in smaller files.' },
  },
  SCAN_ENCRYPTED: {
    meaning: 'The file is an archive or a document with a password, so it cannot be scanned.',
    remedy: 'Ask the sender for a file without a password, or say `onEncrypted: hold` in the route.',
    sender: { correct: 'Send the file without a password: with one it cannot be scanned for viruses.' },
  },
  SCAN_UNAVAILABLE: {
    meaning: 'The scanner is not set up or gave no verdict. Files wait at the step; no attempt is counted.',
    remedy: 'Set LONGSHORE_CLAMD for the workers, or check clamd. Files continue as soon as it answers.',
    sender: { instead: 'Nothing for you to do: the file waits for the virus scan.' },
  },
  SCAN_NOT_TRUSTED: {
    meaning:
      'The scanner did not find the test file (EICAR) in an archive of the size that the route scans. Files wait.',
    remedy:
      'Check the signatures of clamd (freshclam), and set StreamMaxLength and MaxFileSize above `maxSize`, MaxScanSize above twice that, and AlertExceedsMax to yes.',
    sender: { instead: 'Nothing for you to do: the file waits for the virus scan.' },
  },
  CLASSIFY_ERROR: {
    meaning: 'The content of a file is not what its route accepts.',
    remedy: 'See the cause. Usually the sender has to send another file.',
    sender: { correct: 'Correct the file and send it again.' },
  },
  CONTENT_NOT_ALLOWED: {
    meaning: 'A file has a type that its route does not accept, or that does not match its name. It is quarantined.',
    remedy: 'Ask the sender what the file is. If it is legitimate, add the type to `allow` and retry the job.',
    sender: { correct: 'Send a file of a type that is accepted here, under a name that fits its type.' },
  },
  CONTENT_TYPE: {
    meaning: 'A file has a type that its route does not accept, or that does not match its name.',
    remedy: 'Ask the sender for a file of the right type, or add the type to `allow` and retry the job.',
    sender: { correct: 'Send a file of a type that is accepted here, under a name that fits its type.' },
  },
  SENSITIVE_DATA: {
    meaning: 'A file contains what look like payment card, bank account or social security numbers. It is quarantined.',
    remedy:
      'Ask the sender to leave them out or to encrypt the file. If they may be there, change `onSensitive` and retry the job.',
    sender: { correct: 'Leave these numbers out, or encrypt the file, and send it again.' },
  },
  CONVERT_ERROR: {
    meaning: 'A file could not be converted. None of it was passed on.',
    remedy: 'See the cause. Correct the file or the route, then send it again or retry the job.',
    sender: { correct: 'Correct the file and send it again.' },
  },
  ENRICH_ERROR: {
    meaning: 'The facts that a route looks up for a file could not be found.',
    remedy: 'See the cause and remove it, then retry the job. It continues at this step.',
    sender: OUR_SIDE,
  },
  LOOKUP_NONE: {
    meaning: 'A look-up found nothing for a file.',
    remedy: 'Add what is looked for, or say `onNone: accept` in the route; then retry the job.',
    sender: { instead: 'What belongs to this file was not found. Check its name, or ask for help.' },
  },
  LOOKUP_NOT_UNIQUE: {
    meaning: 'A look-up in a table found more than one row.',
    remedy: 'Name more columns under `where`, or read a view with one row for each value; then retry the job.',
    sender: OUR_SIDE,
  },
  LOOKUP_RESULT: {
    meaning: 'A look-up gave a fact that is a list, an object, or too long.',
    remedy: 'Name a single value under `facts`, then retry the job.',
    sender: OUR_SIDE,
  },
  LOOKUP_VALUE: {
    meaning: 'A value that is looked for does not fit its column.',
    remedy: 'Correct the templates under `where`, or the name of the file; then retry the job.',
    sender: { correct: 'Check the name of the file, and send it again under the right one.' },
  },
  LOOKUP_SCHEMA: {
    meaning: 'A table or a column that a look-up names is missing.',
    remedy: 'Create it, or correct the route; then retry the job.',
    sender: OUR_SIDE,
  },
  LOOKUP_DENIED: {
    meaning: 'The database, or its definition, does not allow a look-up.',
    remedy: 'Grant the user SELECT on the table, add the table to `reads`, or correct the secret.',
    sender: OUR_SIDE,
  },
  LOOKUP_UNAVAILABLE: {
    meaning: 'The database did not answer a look-up in time. It is tried again.',
    remedy: 'Check the database and its address, and that the columns under `where` have an index.',
    sender: OUR_SIDE,
  },
  INDEX_ERROR: {
    meaning: 'The words of a file could not be stored, so that a search does not find it by them.',
    remedy: 'See the cause and remove it, then retry the job. It continues at this step.',
    sender: OUR_SIDE,
  },
  KEEP_ERROR: {
    meaning: 'The copy that the step `archive` keeps could not be made.',
    remedy: 'See the cause and remove it, then retry the job. It continues at this step.',
    sender: OUR_SIDE,
  },
  CONVERT_MAPPING: {
    meaning: 'A record cannot be mapped as its route says.',
    remedy: 'See the rejected records. Correct them, or the templates under `map`, then retry the job.',
    sender: { correct: 'Correct the rows that are named, and send the file again.' },
  },
  CONVERT_UNWRITABLE: {
    meaning: 'A record has something that the target format or encoding cannot express.',
    remedy: 'Map the record (`map`), or convert to another format or to UTF-8; then retry the job.',
    sender: { correct: 'Correct what is named, and send the file again.' },
  },
  UNPACK_ERROR: {
    meaning: 'An archive could not be unpacked. None of its entries became a file.',
    remedy: 'See the cause. Usually the sender has to make the archive again.',
    sender: { correct: 'Correct the file and send it again.' },
  },
  APPROVAL_ERROR: {
    meaning: 'A file was not approved at the step of its route that asks a person.',
    remedy: 'See the cause. `longshore retry` asks again.',
    sender: OUR_SIDE,
  },
  APPROVAL_EXPIRED: {
    meaning: 'Nobody released or rejected a held file within the time of its route.',
    remedy: 'Retry the job, which asks again, or say `onTimeout: release` in the route.',
    sender: { instead: 'Nobody looked at the file in time. Ask for help; do not send it again before that.' },
  },
  STAGING_ERROR: {
    meaning: 'The copy that a job works on could not be made.',
    remedy: 'See the cause and remove it, then retry the job.',
    sender: OUR_SIDE,
  },
  ARCHIVE_ERROR: {
    meaning: 'The original of a file could not be archived. What its jobs delivered is not affected.',
    remedy:
      'Find out what removed it from landing, such as a rename over SFTP or a lifecycle rule. If it must be kept, ask the sender to send it again.',
    sender: OUR_SIDE,
  },
  TRANSFORM_ERROR: {
    meaning: 'A file could not be transformed.',
    remedy: 'See the cause. Correct the file or the route, then send it again or retry the job.',
    sender: OUR_SIDE,
  },
  DELIVERY_ERROR: {
    meaning: 'A file could not be delivered.',
    remedy: 'See the cause and remove it, then retry the job. It continues at this step.',
    sender: OUR_SIDE,
  },
  CONFIRMATION_ERROR: {
    meaning: 'The object at the destination is not the one that was delivered.',
    remedy: 'Find out what else writes to the destination, then retry the job.',
    sender: OUR_SIDE,
  },
  CALENDAR_UNKNOWN: {
    meaning: 'A push has a window on the days of a calendar that the tenant has not defined.',
    remedy: 'Apply the definition (`kind: calendar`). The step is retried until then.',
    sender: OUR_SIDE,
  },
  DATABASE_UNKNOWN: {
    meaning: 'A route loads into a database that the tenant has not defined, or that this version cannot use.',
    remedy: 'Apply the definition (`kind: database`). The step is retried until then.',
    sender: OUR_SIDE,
  },
  LOAD_SCHEMA: {
    meaning:
      'A table of the database is not as a load needs it: the table or a column is missing, or `longshore_loads` is.',
    remedy: 'Create what the message names (see docs/guides/targets.md), or correct the route; then retry the job.',
    sender: OUR_SIDE,
  },
  LOAD_ROW_REFUSED: {
    meaning:
      'The database refuses a row: a value does not fit its column, or breaks a constraint. Nothing of the file is loaded.',
    remedy: 'Correct the line that the message names and send the file again, or change the table and retry the job.',
    sender: { correct: 'Correct the line that is named, and send the whole file again. Nothing of it was taken.' },
  },
  LOAD_DENIED: {
    meaning: 'The database, or its definition, does not allow the load.',
    remedy:
      'Grant the user INSERT on the table, SELECT and INSERT on `longshore_loads`, add the table to `tables`, or correct the secret.',
    sender: OUR_SIDE,
  },
  LOAD_UNAVAILABLE: {
    meaning: 'The database did not answer, or gave up the statement. The load is retried.',
    remedy: 'Check the database and its address. What was loaded is not loaded again.',
    sender: OUR_SIDE,
  },
  RECEIPT_KEY_MISSING: {
    meaning: 'A route issues receipts, and the service has no key to sign them with.',
    remedy:
      'Put an Ed25519 key into the secret store and name it in LONGSHORE_RECEIPT_SECRET. The step is retried until then.',
    sender: OUR_SIDE,
  },
  RECEIPT_INVALID: {
    meaning:
      'A receipt is not what it claims: its signature, the file it is about or its place in the chain does not match.',
    remedy:
      'Compare it with the receipt that the API returns, and take the keys from the address of the sender of the receipt.',
  },
  ACKNOWLEDGEMENT_MISSING: {
    meaning: 'The partner did not acknowledge a file within the time that the route gives it.',
    remedy: 'Ask the partner whether the file arrived. Retry the job once the acknowledgement is there.',
    sender: OUR_SIDE,
  },
  PUSH_TARGET_EXISTS: {
    meaning: 'The partner’s server already has a file of the final name, and the route does not allow overwriting it.',
    remedy:
      'Ask the partner to take the file away and retry the job, or say `onExisting: overwrite` or `number` in the route.',
    sender: OUR_SIDE,
  },
  PUBLISH_UNAVAILABLE: {
    meaning: 'A queue or topic of the tenant took no messages, or did not say whether it did.',
    remedy: 'Check the queue or topic and the credentials. The step is retried.',
    sender: OUR_SIDE,
  },
  PUBLISH_REFUSED: {
    meaning:
      'A queue or topic of the tenant refuses the messages: it does not exist, or the credentials do not allow it.',
    remedy: 'Correct the target or the permissions of the credentials, then retry the job.',
    sender: OUR_SIDE,
  },
  PUSH_RENAME_REFUSED: {
    meaning: 'The partner’s server has the whole file under a temporary name and refuses to give it its final name.',
    remedy:
      'Ask the partner to allow renaming in that directory, or say `temp: none` with a `marker` in the route. The step is retried.',
    sender: OUR_SIDE,
  },
  PUSH_NO_SPACE: {
    meaning: 'The partner’s server has no space left for the file. Its final name does not exist.',
    remedy: 'Tell the partner. The step is retried.',
    sender: OUR_SIDE,
  },
  CONTENT_TOO_LARGE: {
    meaning: 'The file is larger than the target accepts in one message: 16 MiB for a call, 10 MiB for a mail.',
    remedy: 'Push the file or deliver it to a store, or use another route for such files (`match.maxSize`).',
    sender: { correct: 'Send it in smaller files.' },
  },
  MAIL_REFUSED: {
    meaning: 'The mail server answered but did not accept a mail of a route. Nothing was sent.',
    remedy:
      'See the status in the message: 4xx is retried; of 5xx, correct the recipients or ask who runs the server, then retry the job.',
    sender: OUR_SIDE,
  },
  MAIL_UNAVAILABLE: {
    meaning: 'A mail of a route cannot be sent: the fleet has no mail server, or it did not answer in time.',
    remedy:
      'Set LONGSHORE_SMTP_HOST and LONGSHORE_SMTP_FROM for the workers, or check the server. The step is retried.',
    sender: OUR_SIDE,
  },
  RECEIPT_ERROR: {
    meaning: 'A receipt could not be made or stored.',
    remedy: 'See the cause and remove it, then retry the job. Nothing is delivered again.',
    sender: OUR_SIDE,
  },
  BRANCH_ERROR: {
    meaning: 'A branch of the job, or the route that it runs, failed.',
    remedy: 'See the cause and the failed branches, which the job lists.',
    sender: OUR_SIDE,
  },
  PARSE_ERROR: {
    meaning: 'A record file, or a row of it, does not match its layout.',
    remedy: 'See the cause, line and column. Correct the file and send it again, or correct the layout.',
    sender: { correct: 'Correct the file and send it again.' },
  },
  RECORDS_ERROR: {
    meaning: 'The records of a file did not complete the calls of their route.',
    remedy: 'See the results file for the result of each record, then retry the failed ones.',
    sender: {
      instead:
        'Some rows were not processed. The results say what happened to each row; correct and send only the rows that failed for a reason in your data.',
    },
  },
  // Causes: the object store
  OBJECT_STORE_UNAVAILABLE: {
    meaning: 'The object store did not answer, throttled the request or failed.',
    remedy: 'Nothing at first: the request is retried. If it continues, check the store and its limits.',
    sender: OUR_SIDE,
  },
  OBJECT_STORE_DENIED: {
    meaning: 'The object store denied access.',
    remedy: 'Correct the permissions of the bucket or the credentials of the service, then retry the job.',
    sender: OUR_SIDE,
  },
  OBJECT_STORE_REJECTED: {
    meaning: 'The object store rejected the request, for example because the bucket does not exist.',
    remedy: 'Correct the bucket or the key in the message, then retry the job.',
    sender: OUR_SIDE,
  },
  STORE_ADDRESS_REFUSED: {
    meaning: 'An external store has an address that must not be called: private, local or a cloud metadata service.',
    remedy: 'Correct its endpoint, or ask the operator to add the network to LONGSHORE_STORE_ADDRESSES.',
    sender: OUR_SIDE,
  },
  // Causes: remotes, i.e. servers with files that are not ours
  REMOTE_UNREACHABLE: {
    meaning: 'The host of a remote cannot be resolved, refuses the connection or does not answer in time.',
    remedy:
      'Check host and port of the remote and whether its firewall allows our addresses; of FTPS, its passive ports too. The work is retried.',
    sender: OUR_SIDE,
  },
  REMOTE_ADDRESS_REFUSED: {
    meaning: 'A remote has an address that must not be called: private, local or a cloud metadata service.',
    remedy: 'Correct its host, or ask the operator to add the network to LONGSHORE_REMOTE_ADDRESSES.',
    sender: OUR_SIDE,
  },
  REMOTE_UNTRUSTED: {
    meaning: 'The host key or certificate of a remote is not one that its definition trusts. Nothing was sent to it.',
    remedy: 'Ask the partner whether the key is theirs, then add it to hostKeys or tls.pins of the remote.',
    sender: OUR_SIDE,
  },
  REMOTE_AUTH_FAILED: {
    meaning: 'A remote did not accept our user and credentials. They were tried once.',
    remedy: 'Correct the secret; the new one is used at once. The old one is not tried again for 15 minutes.',
    sender: OUR_SIDE,
  },
  REMOTE_DENIED: {
    meaning: 'A remote does not allow us this operation on this path.',
    remedy: 'Ask the partner for the permission, or correct the path.',
    sender: OUR_SIDE,
  },
  REMOTE_PATH_GONE: {
    meaning: 'A file or directory does not exist at a remote.',
    remedy: 'Check the path, and whether somebody else took the file.',
    sender: OUR_SIDE,
  },
  REMOTE_EXISTS: {
    meaning: 'A remote already has a file of that name.',
    remedy: 'Ask the partner to take the file, choose another name, or allow overwriting.',
    sender: OUR_SIDE,
  },
  REMOTE_NO_SPACE: {
    meaning: 'A remote has no space left for the file.',
    remedy: 'Tell the partner. The work is retried.',
    sender: OUR_SIDE,
  },
  REMOTE_REFUSED: {
    meaning: 'A remote refused an operation without saying why.',
    remedy: 'See the reply number in the message. The work is retried.',
    sender: OUR_SIDE,
  },
  REMOTE_BUSY: {
    meaning: 'A remote takes no more connections or logins, or is shutting down.',
    remedy: 'Nothing at first: fewer connections are used for a while. If it continues, lower limits.connections.',
    sender: OUR_SIDE,
  },
  REMOTE_STALLED: {
    meaning: 'Nothing came from a remote for as long as timeouts.stall of its definition allows.',
    remedy: 'Nothing at first: the work is retried. If it continues, tell the partner.',
    sender: OUR_SIDE,
  },
  REMOTE_LOST: {
    meaning: 'The connection to a remote ended in the middle of an operation.',
    remedy: 'Nothing at first: what was done is checked and the rest is retried.',
    sender: OUR_SIDE,
  },
  REMOTE_PROTOCOL: {
    meaning: 'A remote answered with something that its protocol does not know.',
    remedy: 'Check that type and port of the remote are right, then tell the partner.',
    sender: OUR_SIDE,
  },
  REMOTE_LISTING_UNKNOWN: {
    meaning: 'A remote lists its files in a form that Longshore does not know.',
    remedy:
      'The first line of the listing is in the message. Set `dialect: zos` for data sets of z/OS; the guide to sources says which forms are read.',
    sender: OUR_SIDE,
  },
  SOURCE_ENTRIES_PASSED_OVER: {
    meaning:
      'A source was listed, but entries that it showed cannot be read or have names that are refused. The others are fetched.',
    remedy: 'Ask the partner about the entry in the message. The guide to sources lists what names may not contain.',
    sender: OUR_SIDE,
  },
  SOURCE_BACKLOG: {
    meaning:
      'A source was listed, but 200,000 of its files already wait. More are taken by later listings, as files are fetched.',
    remedy:
      'Nothing has to be done while its pulls complete. If they do not, `longshore pulls --source NAME` shows what they wait for.',
    sender: OUR_SIDE,
  },
  REMOTE_TLS_REUSE: {
    meaning: 'An FTPS server refused a data connection, usually because it did not resume the TLS session.',
    remedy: 'Ask the partner whether a proxy or firewall is in front of the server. Try minVersion TLSv1.3 or TLSv1.2.',
    sender: OUR_SIDE,
  },
  REMOTE_PLACE_REFUSED: {
    meaning: 'The definition of a remote does not allow this path, or the path is not canonical.',
    remedy: 'Add the directory to `paths` of the remote, or correct the path.',
    sender: OUR_SIDE,
  },
  REMOTE_UNKNOWN: {
    meaning: 'The tenant has no remote with that name, or its definition cannot be used.',
    remedy: 'Apply the definition of the remote, then try again.',
    sender: OUR_SIDE,
  },
  // Pulls: files fetched from remotes
  PULL_ERROR: {
    meaning: 'A file could not be fetched from a remote. The file at the remote was left untouched.',
    remedy: 'See the cause. Correct it, then trigger the pull again.',
    sender: OUR_SIDE,
  },
  PULL_CLEANUP_ERROR: {
    meaning: 'A fetched file could not be deleted or moved at its remote. The file itself arrived.',
    remedy: 'Ask the partner for the permission, then trigger the pull again: it only cleans up.',
    sender: OUR_SIDE,
  },
  PULL_SIZE_MISMATCH: {
    meaning: 'A remote sent another number of bytes than the size it gives for the file.',
    remedy: 'Nothing at first: the file is fetched again. If it continues, tell the partner.',
    sender: OUR_SIDE,
  },
  PULL_UNSETTLED: {
    meaning: 'A file at a remote changed while it was fetched, again and again.',
    remedy: 'Ask the partner to write under a temporary name and rename the file when it is complete.',
    sender: { correct: 'Write the file under a temporary name, and rename it when it is complete.' },
  },
  PULL_NOT_FOUND: {
    meaning: 'There is no such pull, or it belongs to another tenant.',
    remedy: 'Check the id, or list the pulls.',
  },
  REMOTE_NOT_FOUND: {
    meaning: 'There is no such remote, or it belongs to another tenant.',
    remedy: 'Check the name, or list the remotes.',
  },
  SOURCE_NOT_FOUND: {
    meaning: 'There is no such source, or it belongs to another tenant.',
    remedy: 'Check the name, or list the sources.',
  },
  STORE_UNKNOWN: {
    meaning: 'The tenant has no store with that name, or its definition cannot be used.',
    remedy: 'Apply the definition of the store, then retry the job.',
    sender: OUR_SIDE,
  },
  STORE_PLACE_REFUSED: {
    meaning: 'The definition of the external store does not allow this bucket or key.',
    remedy: 'Add the bucket, with its prefix if needed, to `buckets` of the store, or correct the route.',
    sender: OUR_SIDE,
  },
  SOURCE_GONE: {
    meaning: 'The source object no longer exists.',
    remedy: 'Find out what removed it, such as a lifecycle rule, and ask the sender to send the file again.',
    sender: { instead: 'The file is not there any more. Send it again.' },
  },
  OBJECT_COLD: {
    meaning: 'The object is in a cold tier of the store, where it cannot be read.',
    remedy: 'Run `longshore restore FILE --reason "..."`, and retry when it can be read.',
    sender: OUR_SIDE,
  },
  SOURCE_CHANGED: {
    meaning: 'The source object is no longer the one that was registered.',
    remedy: 'Find out what overwrote it. The newer version is a separate file.',
    sender: {
      instead:
        'The file was overwritten before it was processed. The newer one is processed separately: see what happened to that one.',
    },
  },
  SOURCE_TRUNCATED: {
    meaning: 'The source had fewer or more bytes than expected.',
    remedy: 'Nothing at first: the step is retried. If it continues, ask the sender to send the file again.',
    sender: { instead: 'The file did not arrive whole. Send it again.' },
  },
  STEP_ABORTED: {
    meaning: 'A step was stopped because the service stops or another worker took over.',
    remedy: 'Nothing to do. The step is retried.',
    sender: OUR_SIDE,
  },
  STEP_INPUT_MISSING: {
    meaning: 'A step needs the result of a step that is not before it in the route.',
    remedy: 'Correct the order of the steps in the route, such as deliver before confirm.',
    sender: OUR_SIDE,
  },
  CHECKSUM_MISMATCH: {
    meaning: 'The contents of a file do not match the checksum that was sent or stored with it.',
    remedy: 'Ask the sender to send the file again, or retry the job if the copy was at fault.',
    sender: { correct: 'The file does not match its checksum file. Send both again.' },
  },
  SIZE_MISMATCH: {
    meaning: 'A copy does not have the size of its source.',
    remedy: 'Retry the job. If it happens again, find out what else writes to the destination.',
    sender: OUR_SIDE,
  },
  DESTINATION_GONE: {
    meaning: 'The delivered object no longer exists at its destination.',
    remedy: 'Find out what removed it, then retry the job.',
    sender: OUR_SIDE,
  },
  KEY_REJECTED: {
    meaning:
      'The key or name made from a template is not allowed: it leaves the tenant, is too long or has forbidden characters.',
    remedy: 'Correct the template in the route, or ask the sender to rename the file.',
    sender: { correct: 'Rename the file and send it again: shorter, and with plain letters and digits.' },
  },
  // Causes: validation of a file
  FILE_EMPTY: {
    meaning: 'The file is empty, and its route does not accept empty files.',
    remedy: 'Ask the sender to send the file again, or set `allowEmpty` in the route.',
    sender: { correct: 'Send the file again with its contents.' },
  },
  FILE_TOO_SMALL: {
    meaning: 'The file is smaller than its route allows.',
    remedy: 'Ask the sender to send the complete file again, or correct `minSize`.',
    sender: { correct: 'Check that the file is complete, and send it again.' },
  },
  FILE_TOO_LARGE: {
    meaning: 'The file is larger than its route allows, or than is fetched from a remote (671 GB).',
    remedy: 'Ask the sender to split the file, or correct `maxSize`.',
    sender: { correct: 'Send it in smaller files.' },
  },
  NAME_MISMATCH: {
    meaning: 'The name of the file does not match the pattern in its route.',
    remedy: 'Ask the sender to rename the file and send it again, or correct `namePattern`.',
    sender: { correct: 'Rename the file and send it again.' },
  },
  MARKER_MISSING: {
    meaning: 'The marker file that reports a complete file did not arrive in time.',
    remedy: 'Ask the sender to send the marker and retry the job, or correct `waitUpTo`.',
    sender: { correct: 'Send the marker file that belongs to it, then ask for the file to be tried again.' },
  },
  CHECKSUM_SIDECAR_MISSING: {
    meaning: 'The checksum file did not arrive in time.',
    remedy: 'Ask the sender to send it and retry the job, or correct `waitUpTo`.',
    sender: { correct: 'Send the checksum file that belongs to it, then ask for the file to be tried again.' },
  },
  CHECKSUM_SIDECAR_INVALID: {
    meaning: 'The checksum file does not begin with 64 hexadecimal digits.',
    remedy: 'Create it with `sha256sum`, send it again, then retry the job.',
    sender: {
      correct:
        'Make the checksum file again (its first 64 characters are the SHA-256), send it, then ask for the file to be tried again.',
    },
  },
  // Causes: CSV
  CSV_ENCODING: {
    meaning: 'A CSV file has bytes that are not valid in its encoding.',
    remedy:
      'Correct `encoding` in the route (files from Windows are `windows-1252`, not `latin-1`), or ask the sender to write the file again.',
    sender: { correct: 'Save the file as UTF-8 and send it again.' },
  },
  CSV_NUL: {
    meaning: 'A CSV file contains a NUL character.',
    remedy: 'Ask the sender to write the file again. UTF-16 needs `encoding` or a byte order mark.',
    sender: { correct: 'Save the file as plain text in UTF-8 and send it again.' },
  },
  CSV_QUOTE: {
    meaning: 'A quote in a CSV file is not closed, or is in a place where quotes are not allowed.',
    remedy: 'Ask the sender to fix that line: a quote within a field is written twice.',
    sender: { correct: 'Correct that line and send the file again: a quote within a field is written twice.' },
  },
  CSV_RECORD_TOO_LONG: {
    meaning: 'A record of a CSV file is longer than `maxRecordBytes`.',
    remedy: 'Look for a missing quote or line break at that line, or raise `maxRecordBytes`.',
    sender: { correct: 'Look for a missing quote or line break at that line, correct it and send the file again.' },
  },
  CSV_HEADER_MISSING: {
    meaning: 'A CSV file has no header row.',
    remedy: 'Ask the sender to send the file again with its header.',
    sender: { correct: 'Send the file again with a first line that names the columns.' },
  },
  CSV_HEADER_MISMATCH: {
    meaning: 'The header of a CSV file does not match its route.',
    remedy: 'Ask the sender to correct the header, or correct `header` in the route.',
    sender: { correct: 'Correct the first line, which names the columns, and send the file again.' },
  },
  CSV_HEADER_DUPLICATE: {
    meaning: 'The header of a CSV file has the same name twice.',
    remedy: 'Ask the sender to give each column its own name.',
    sender: { correct: 'Give each column its own name and send the file again.' },
  },
  CSV_DELIMITER: {
    meaning: 'A CSV file uses a different delimiter than its route.',
    remedy: 'Set `delimiter` in the route to that character, or ask the sender to use the agreed one.',
    sender: { correct: 'Separate the columns as agreed, and send the file again.' },
  },
  CSV_COLUMN_COUNT: {
    meaning: 'A row of a CSV file has too many or too few columns.',
    remedy: 'Ask the sender to fix that line.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  CSV_TOO_MANY_REJECTED: {
    meaning: 'More rows of a CSV file were rejected than `maxRejected` allows, or every row was.',
    remedy: 'See the first rejected lines. Ask the sender to correct the file, or raise `maxRejected`.',
    sender: {
      correct:
        'Too many lines cannot be read, so nothing of the file was used. Correct all of them and send the file again.',
    },
  },
  // Causes: columns of record files, whatever the format
  COLUMN_REQUIRED: {
    meaning: 'A record has no value in a required column.',
    remedy: 'Correct the record in the rejects file and send that file again.',
    sender: { correct: 'Correct the line in the rejected rows and send that file.' },
  },
  COLUMN_TYPE: {
    meaning: 'A value does not have the type of its column.',
    remedy: 'Correct the record in the rejects file and send that file again, or correct `type` in the layout.',
    sender: { correct: 'Correct the line in the rejected rows and send that file.' },
  },
  COLUMN_LENGTH: {
    meaning: 'A value is shorter than `minLength` or longer than `maxLength`.',
    remedy: 'Correct the record in the rejects file and send that file again.',
    sender: { correct: 'Correct the line in the rejected rows and send that file.' },
  },
  COLUMN_PATTERN: {
    meaning: 'A value does not match the `pattern` of its column.',
    remedy: 'Correct the record in the rejects file and send that file again.',
    sender: { correct: 'Correct the line in the rejected rows and send that file.' },
  },
  COLUMN_ENUM: {
    meaning: 'A value is not one of those in `enum`.',
    remedy: 'Correct the record in the rejects file and send that file again, or add the value to the layout.',
    sender: { correct: 'Correct the line in the rejected rows and send that file.' },
  },
  COLUMN_RANGE: {
    meaning: 'A value is below `min` or above `max`, or is negative and `signed` is false.',
    remedy: 'Correct the record in the rejects file and send that file again.',
    sender: { correct: 'Correct the line in the rejected rows and send that file.' },
  },
  COLUMN_DATE: {
    meaning: 'A value is not a date in the `format` of its column, or the date does not exist.',
    remedy: 'Correct the record in the rejects file and send that file again, or correct `format` in the layout.',
    sender: { correct: 'Correct the line in the rejected rows and send that file.' },
  },
  COLUMN_DUPLICATE: {
    meaning: 'A value that must be unique in the file occurs twice.',
    remedy: 'Find out which of the two lines is right. The first one was accepted.',
    sender: { correct: 'Find out which of the two lines is right. The first one was taken.' },
  },
  COLUMN_UNIQUE_LIMIT: {
    meaning: 'A file has more unique values than can be kept in memory.',
    remedy: 'Split the file, or remove `unique`: the business key also detects duplicates.',
    sender: { correct: 'Send it in smaller files.' },
  },
  // Causes: records of a file
  RECORDS_FAILED: {
    meaning: 'The share of records that did not succeed reached `failJobAt`.',
    remedy: 'See the results file, remove the cause, then retry those records.',
    sender: {
      instead:
        'Some rows were not processed. The results say what happened to each row; correct and send only the rows that failed for a reason in your data.',
    },
  },
  RECORD_DUPLICATE: {
    meaning: 'Another record with the same business key was processed or is in progress. This row is not processed.',
    remedy: 'Nothing if the row was sent twice. Otherwise check the columns of `businessKey` in the layout.',
    sender: { instead: 'Nothing for you to do if the row was sent twice: it is processed once.' },
  },
  EFFECT_UNKNOWN: {
    meaning: 'Something that must not be repeated was sent to a target, and it is unknown whether it had an effect.',
    remedy:
      'Ask the partner. Of a record: close it, or send it as a new call. Of a file: `longshore effects resolve EFFECT --as done`, `not-done` or `resend`.',
    sender: { instead: 'Nothing for you to do: whether it arrived is being clarified. Do not send it again.' },
  },
  // Causes: fixed width
  FIXED_SHORT: {
    meaning: 'A record of a fixed-width file is shorter than `recordLength`.',
    remedy: 'Correct the record. If trailing blanks were removed on the way, set `shortLines: pad`.',
    sender: { correct: 'Correct that record and send the file again.' },
  },
  FIXED_LONG: {
    meaning: 'A record of a fixed-width file is longer than `recordLength`.',
    remedy: 'Correct the record or `recordLength`. Multi-byte characters need the right `encoding`.',
    sender: { correct: 'Correct that record and send the file again.' },
  },
  FIXED_RECORD_TYPE: {
    meaning: 'The type field of a record has a value that the layout does not declare.',
    remedy: 'Correct the record, or the types in the layout.',
    sender: { correct: 'Correct that record and send the file again.' },
  },
  FIXED_ENCODING: {
    meaning: 'A fixed-width record has bytes that are not valid in its encoding, or a column splits a character.',
    remedy: 'Correct `encoding` or `positions` in the layout, or ask the sender to write the file again.',
    sender: { correct: 'Write the file in the agreed encoding and send it again.' },
  },
  FIXED_NUL: {
    meaning: 'A text in a fixed-width record contains a NUL character.',
    remedy: 'Correct the record. A packed or binary column needs that type in the layout.',
    sender: { correct: 'Correct that record and send the file again.' },
  },
  FIXED_PACKED: {
    meaning: 'A packed decimal (COMP-3) has a digit above 9 or no sign.',
    remedy: 'Compare the layout with the copybook: often a column begins one byte too early or too late.',
    sender: { correct: 'Correct that record and send the file again.' },
  },
  FIXED_ZONED: {
    meaning: 'A zoned number has characters that are not digits, or a sign in the wrong place.',
    remedy:
      'Correct the record, or compare `sign` and `from` in the layout with the copybook. Micro Focus and GnuCOBOL need `overpunch: ascii`.',
    sender: { correct: 'Correct that record and send the file again.' },
  },
  FIXED_LINE_END: {
    meaning: 'A record with packed or binary columns does not end with a line end.',
    remedy: 'Correct `recordLength` or `lineEnds`, or ask the sender to send the file in binary mode.',
    sender: { correct: 'Send the file again in binary mode, in the form that was agreed.' },
  },
  FIXED_DESCRIPTOR: {
    meaning:
      'A fixed-width file has record descriptor words (RDW, BDW) that are wrong or that its layout does not declare.',
    remedy:
      'Compare `recordFormat` in the layout with RECFM of the data set, and ask the sender for a binary transfer that keeps the RDWs.',
    sender: { correct: 'Send the file again in binary mode, in the form that was agreed.' },
  },
  FIXED_HEADER_MISSING: {
    meaning: 'The first record of a fixed-width file is not its header.',
    remedy: 'Ask the sender to send the complete file again.',
    sender: { correct: 'Send the complete file again.' },
  },
  FIXED_HEADER_MISPLACED: {
    meaning: 'A fixed-width file has a second header.',
    remedy: 'Ask the sender to send concatenated files one by one.',
    sender: { correct: 'Several files were joined to one. Send them one by one.' },
  },
  FIXED_TRAILER_MISSING: {
    meaning: 'A fixed-width file has no trailer.',
    remedy: 'Ask the sender to send the complete file again: its end is missing.',
    sender: { correct: 'Send the complete file again.' },
  },
  FIXED_TRAILER_COUNT: {
    meaning: 'The count in the trailer does not match the number of records.',
    remedy: 'Ask the sender to send the complete file again, or correct `count` or `countOf` in the layout.',
    sender: { correct: 'Send the complete file again, with the count of its records in the last one.' },
  },
  FIXED_TRAILER_TOTAL: {
    meaning: 'A control total in the trailer does not match the sum of the records.',
    remedy: 'Ask the sender to correct the file, or compare `decimals` of both columns.',
    sender: { correct: 'Correct the total or the records, and send the file again.' },
  },
  FIXED_AFTER_TRAILER: {
    meaning: 'A fixed-width file has content after its trailer.',
    remedy: 'Ask the sender to send concatenated files one by one.',
    sender: { correct: 'Several files were joined to one. Send them one by one.' },
  },
  // Causes: NDJSON
  JSON_SYNTAX: {
    meaning: 'A line is not valid JSON.',
    remedy: 'Ask the sender to fix that line.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  JSON_TRUNCATED: {
    meaning: 'A line ends in the middle of its JSON.',
    remedy: 'Ask the sender to send the complete file again. Line breaks within a record are not allowed.',
    sender: { correct: 'Send the complete file again, with each record on one line.' },
  },
  JSON_NOT_OBJECT: {
    meaning: 'A line is not a JSON object.',
    remedy: 'Ask the sender to write one object per line.',
    sender: { correct: 'Write one object on each line and send the file again.' },
  },
  JSON_DEPTH: {
    meaning: 'JSON values are nested too deeply.',
    remedy: 'Ask the sender to fix that line.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  JSON_TOO_MANY_KEYS: {
    meaning: 'A JSON object has too many keys.',
    remedy: 'Ask the sender to fix that line; a list belongs in an array.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  JSON_DUPLICATE_KEY: {
    meaning: 'An object has the same key twice, and parsers disagree on which one counts.',
    remedy: 'Ask the sender to fix that line.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  JSON_KEY_REFUSED: {
    meaning: 'An object has the key `__proto__`.',
    remedy: 'Ask the sender to use another key.',
    sender: { correct: 'Use another key and send the file again.' },
  },
  JSON_UNKNOWN_KEY: {
    meaning: 'An object has a key that the layout does not declare.',
    remedy: 'Correct the key, add the column to the layout, or set `unknown: ignore`.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  JSON_NUMBER: {
    meaning: 'A number has an exponent, or more digits than can be kept exactly.',
    remedy: 'Ask the sender to write plain digits, or a text if it is an identifier.',
    sender: { correct: 'Write plain digits, or a text if it is an identifier, and send the file again.' },
  },
  JSON_SURROGATE: {
    meaning: 'A text contains half of a surrogate pair, which is not a character.',
    remedy: 'Ask the sender to fix the text where it was truncated.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  JSON_NUL: {
    meaning: 'A text contains a NUL character, which the database cannot store.',
    remedy: 'Ask the sender to fix that line.',
    sender: { correct: 'Correct that line and send the file again.' },
  },
  JSON_ENCODING: {
    meaning: 'A line has bytes that are not valid in its encoding.',
    remedy: 'Correct `encoding` in the layout, or ask the sender to write the file again.',
    sender: { correct: 'Save the file as UTF-8 and send it again.' },
  },
  JSON_LINE_TOO_LONG: {
    meaning: 'A line is longer than `maxRecordBytes`.',
    remedy: 'Look for a missing line break at that line, or raise `maxRecordBytes`.',
    sender: { correct: 'Look for a missing line break at that line, correct it and send the file again.' },
  },
  JSON_NO_RECORDS: {
    meaning: 'A JSON document has no list where the route says that its records are.',
    remedy: 'Correct `records` of the step: the keys that lead to the list, or none when the document is the list.',
    sender: { correct: 'Send the file again with its records in the place that was agreed.' },
  },
  // Causes: XML and text
  XML_SYNTAX: {
    meaning: 'An XML file is not well-formed, or has a DOCTYPE.',
    remedy: 'Ask the sender for well-formed XML without a DOCTYPE.',
    sender: { correct: 'Send the file again as well-formed XML without a DOCTYPE.' },
  },
  XML_DEPTH: {
    meaning: 'XML elements are nested too deeply.',
    remedy: 'Ask the sender for a flatter document.',
    sender: { correct: 'Send the file again with fewer levels.' },
  },
  XML_RECORD_TOO_LONG: {
    meaning: 'A record of an XML file, or what is between two, is longer than `maxRecordBytes`.',
    remedy: 'Correct `record` of the step: it names the element of one record, not of the whole list.',
    sender: { correct: 'Check that every element is closed, and send the file again.' },
  },
  XML_ENCODING: {
    meaning: 'An XML file has bytes that are not valid in its encoding, or declares one that is not known.',
    remedy: 'Say the right `encoding` in the step, or ask the sender to write the file as UTF-8.',
    sender: { correct: 'Save the file as UTF-8 and send it again.' },
  },
  XML_NO_RECORDS: {
    meaning: 'An XML file has no element of the name that the route gives for its records.',
    remedy: 'Correct `record` of the step; upper and lower case count.',
    sender: { correct: 'Send the file again with its records in the place that was agreed.' },
  },
  TEXT_ENCODING: {
    meaning:
      'A text has bytes that are not valid in its encoding, or a character that the target encoding does not have.',
    remedy: 'Correct `encoding` under `from`, or convert to UTF-8.',
    sender: { correct: 'Save the file as UTF-8 and send it again.' },
  },
  // Causes: archives
  ARCHIVE_BOMB: {
    meaning: 'The file becomes much larger when it is expanded or converted than its route allows.',
    remedy: 'If the file is genuine, raise `maxRatio`, `maxBytes` or `maxEntries` of the step.',
    sender: { correct: 'The file becomes too large when it is unpacked. Send it in smaller files.' },
  },
  PGP_SYNTAX: {
    meaning: 'A file that a route decrypts or verifies is not a PGP message.',
    remedy: 'Ask the sender to encrypt the file, or let its route match encrypted files only.',
    sender: { correct: 'Encrypt the file with PGP and send it again.' },
  },
  PGP_NOT_ENCRYPTED: {
    meaning: 'A PGP message is not encrypted, although its route decrypts.',
    remedy: 'Ask the sender to encrypt it, or use `pgp-verify` for messages that are only signed.',
    sender: { correct: 'Encrypt the file with PGP and send it again.' },
  },
  PGP_KEY_UNKNOWN: {
    meaning: 'A PGP message is encrypted to none of the private keys that its route names.',
    remedy: 'Give the sender the right public key, or add the private key to `key` of the route; then retry the job.',
    sender: {
      correct:
        'Encrypt the file for the public key that you were given, and send it again. If you did, ask for the present key.',
    },
  },
  PGP_KEY_INVALID: {
    meaning: 'A secret that a route names is not a PGP key of the right kind, or its passphrase does not open it.',
    remedy: 'Put the armored key, or the passphrase, into the secret, then retry the job.',
    sender: OUR_SIDE,
  },
  PGP_KEY_EXPIRED: {
    meaning: 'A PGP key or signature has expired, was revoked, or is not valid yet.',
    remedy: 'Replace the key that the message names, or ask the sender for one with a valid signature.',
    sender: { correct: 'Use a key that is valid, and send the file again. If the key is not yours, ask for help.' },
  },
  PGP_TRUNCATED: {
    meaning: 'A PGP message ends too early. Nothing of it was used.',
    remedy: 'Ask the sender to send it again.',
    sender: { correct: 'Send the file again, in binary mode. Nothing of it was used.' },
  },
  PGP_ALTERED: {
    meaning: 'A PGP message was changed after it was encrypted. Nothing of it was used.',
    remedy: 'Ask the sender to send it again. When it repeats, find out who changes it on the way.',
    sender: { correct: 'Send the file again, in binary mode. Nothing of it was used.' },
  },
  PGP_UNSIGNED: {
    meaning: 'A PGP message has no signature, and its route asks for one.',
    remedy: 'Ask the sender to sign, or say `onUnsigned: accept` in the route.',
    sender: { correct: 'Sign the file and send it again.' },
  },
  PGP_SIGNER_UNKNOWN: {
    meaning: 'A PGP message is signed by a key that its route does not name.',
    remedy: 'Ask the sender which key it is, and add the public key to `signedBy`; then retry the job.',
    sender: {
      correct:
        'Sign the file with the key that was agreed, and send it again. If the key is new, give its public part to the operator first.',
    },
  },
  PGP_SIGNATURE_INVALID: {
    meaning: 'The signature of a PGP message does not belong to its content. Nothing of it was used.',
    remedy: 'Ask the sender to sign and send it again.',
    sender: { correct: 'Sign the file and send it again.' },
  },
  PGP_BOMB: {
    meaning: 'A PGP message expands to more than its route takes.',
    remedy: 'Raise `maxBytes` of the operation if the file is legitimate.',
    sender: { correct: 'The file becomes too large when it is decrypted. Send it in smaller files.' },
  },
  ARCHIVE_SLIP: {
    meaning: 'An entry of an archive has a name that points outside of the archive, or that may not be used.',
    remedy: 'Ask the sender to make the archive again, with plain relative names. No entry of it was taken.',
    sender: {
      correct: 'Make the archive again with plain relative names, and send it again. Nothing of it was taken.',
    },
  },
  ARCHIVE_LINK: {
    meaning: 'An archive has a link or a device in it.',
    remedy: 'Ask the sender to put the files themselves into the archive. No entry of it was taken.',
    sender: {
      correct:
        'Put the files themselves into the archive in place of links, and send it again. Nothing of it was taken.',
    },
  },
  ARCHIVE_ENCRYPTED: {
    meaning: 'An archive has an entry with a password.',
    remedy: 'Ask the sender for an archive without a password, or for a PGP file (`pgp-decrypt`).',
    sender: { correct: 'Send the archive without a password.' },
  },
  ARCHIVE_OVERLAP: {
    meaning: 'Entries of an archive share the same bytes, as in a bomb.',
    remedy: 'Ask the sender what it is; no usual program makes such an archive.',
    sender: { correct: 'Make the archive again with a usual program, and send it again.' },
  },
  ARCHIVE_DUPLICATE: {
    meaning: 'An archive has two entries of one name.',
    remedy: 'Ask the sender to make the archive again. No entry of it was taken.',
    sender: { correct: 'Make the archive again with each name once, and send it again. Nothing of it was taken.' },
  },
  ARCHIVE_UNSUPPORTED: {
    meaning: 'A file is not an archive of a format that is unpacked, or uses a compression that is not supported.',
    remedy: 'Ask the sender for a zip (stored or deflated), tar, tgz or gz.',
    sender: { correct: 'Send a zip, tar, tgz or gz.' },
  },
  ARCHIVE_TOO_DEEP: {
    meaning: 'An archive came out of archives in archives, deeper than its route unpacks.',
    remedy: 'Raise `maxDepth` of the step, or let its route match the outer archives only.',
    sender: { correct: 'Send the files without archives inside of archives.' },
  },
  ARCHIVE_CORRUPT: {
    meaning: 'The compressed file cannot be expanded: it is damaged, truncated or in another format.',
    remedy: 'Ask the sender to send the file again.',
    sender: { correct: 'The archive is damaged. Make it again and send it again.' },
  },
  // Causes: the engine that runs jobs
  ATTEMPTS_SPENT: {
    meaning: 'The worker died or lost the job during the last attempt of a step.',
    remedy: 'Find out what killed the worker (memory, or a crash loop in its log), then retry the job.',
    sender: OUR_SIDE,
  },
  STEP_DEADLINE_EXCEEDED: {
    meaning: 'A step or an archive copy took longer than its deadline and was stopped.',
    remedy: 'Nothing at first: it is retried. If it continues, check the store or partner that it waited for.',
    sender: OUR_SIDE,
  },
  READER_LOST: {
    meaning: 'The process that reads foreign text was ended several times by something else, or hung.',
    remedy: 'Look in the system log for a lack of memory, and give the service more. Then try again.',
    sender: OUR_SIDE,
  },
  OUTCOME_REFUSED: {
    meaning: 'The outcome of a step cannot be stored, for example because its output is not JSON or is too large.',
    remedy: 'Report it with the job id. It is a bug in that kind of step.',
    sender: OUR_SIDE,
  },
  LEASE_LOST: {
    meaning: 'A worker could not renew its lease on a job or file in time, or another worker took over.',
    remedy:
      'Nothing to do: another worker continues. If it happens often, check the database and the load of the workers.',
    sender: OUR_SIDE,
  },
  ROUTE_VERSION_UNKNOWN: {
    meaning: 'The route version of the job is not in the database.',
    remedy: 'Apply the route again and send the file again. Find out what removed the version.',
    sender: OUR_SIDE,
  },
  ROUTE_STEP_MISMATCH: {
    meaning: 'A job is at a step that its route version does not have.',
    remedy: 'Report it with the job id. The row was changed by hand or by a faulty version.',
    sender: OUR_SIDE,
  },
  BRANCH_FAILED: {
    meaning: 'Branches of a job, or the route that it runs, did not succeed.',
    remedy:
      'See the failed branches of the job, and fix the cause. Then retry the job: only the failed branches run again.',
    sender: OUR_SIDE,
  },
  RUN_TOO_DEEP: {
    meaning: 'Routes run each other more levels deep than allowed.',
    remedy: 'See which route runs which; one of them probably runs itself.',
    sender: OUR_SIDE,
  },
  PARENT_CANCELLED: {
    meaning: 'The job above this branch was cancelled.',
    remedy: 'Nothing to do. Retry the job above it to continue.',
    sender: { instead: 'Processing of the file was cancelled. Ask for help if you did not expect that.' },
  },
  // Causes: calls of partners
  BUSINESS_REJECTION: {
    meaning: 'The partner processed the request and rejected the record.',
    remedy:
      'See the partner’s own code and message. Correct the record and send it again, or retry it after the partner has changed something.',
    sender: { correct: 'Correct the record and send it again, or ask why it was not accepted.' },
  },
  HTTP_NNN: {
    meaning:
      'The partner answered with that HTTP status (`HTTP_503`, `HTTP_429` ...), and no rule of its definition matches.',
    remedy:
      'For 408, 429 and 5xx nothing at first, because they are retried. Otherwise correct the request or the credentials.',
    sender: OUR_SIDE,
  },
  PARTNER_TIMEOUT: {
    meaning: 'The partner did not answer within its `timeout`.',
    remedy: 'Nothing at first. If it continues, ask the partner, or raise `timeout`.',
    sender: OUR_SIDE,
  },
  PARTNER_CONNECTION_LOST: {
    meaning: 'The connection to the partner was lost before its reply was complete.',
    remedy: 'Nothing at first. If it continues, ask the partner.',
    sender: OUR_SIDE,
  },
  PARTNER_UNREACHABLE: {
    meaning: 'No connection to the partner could be opened. Nothing was sent.',
    remedy: 'Check `baseUrl` and the network. Calls continue when the partner can be reached.',
    sender: OUR_SIDE,
  },
  PARTNER_UNTRUSTED: {
    meaning: 'The certificate of the partner is not trusted. Nothing was sent.',
    remedy: 'Ask the partner to renew it, or set its authority in `tls.authority`.',
    sender: OUR_SIDE,
  },
  PARTNER_ADDRESS_REFUSED: {
    meaning: 'The partner’s address must not be called: it is private, local or a cloud metadata service.',
    remedy: 'Correct `baseUrl`, or ask an operator to add the address to LONGSHORE_PARTNER_ADDRESSES.',
    sender: OUR_SIDE,
  },
  PARTNER_REPLY_TOO_LARGE: {
    meaning: 'The partner’s reply is larger than `maxReply`, counted after decompression.',
    remedy: 'Ask the partner, or raise `maxReply` if such replies are expected.',
    sender: OUR_SIDE,
  },
  PARTNER_REPLY_INVALID: {
    meaning: 'The partner’s reply is not valid HTTP, or is not JSON where JSON is expected.',
    remedy: 'Nothing at first. If it continues, ask the partner.',
    sender: OUR_SIDE,
  },
  PARTNER_REPLY_UNEXPECTED: {
    meaning: 'The partner’s reply matches none of the rules in its definition.',
    remedy: 'Add a rule under `judge` for such replies, then retry the records.',
    sender: OUR_SIDE,
  },
  PARTNER_REDIRECT: {
    meaning:
      'The partner answered with a redirect. Redirects are not followed, so that credentials stay with their host.',
    remedy: 'Set `baseUrl` to the new address.',
    sender: OUR_SIDE,
  },
  PARTNER_TOKEN_UNAVAILABLE: {
    meaning: 'The partner’s token issuer did not return an access token. The call was not made.',
    remedy: 'Nothing at first. If it continues, check the client id, its secret and scope with the partner.',
    sender: OUR_SIDE,
  },
  PARTNER_UNKNOWN: {
    meaning: 'The tenant has no partner with that name, or its definition has no such operation or cannot be used.',
    remedy: 'Apply the definition of the partner. Its records are retried by the remaining sweeps, or by you.',
    sender: OUR_SIDE,
  },
  PARTNER_REQUEST_INVALID: {
    meaning: 'No request could be made for the record: a template uses a value that does not exist or is not allowed.',
    remedy: 'Correct the templates of the operation or the record, then retry it.',
    sender: OUR_SIDE,
  },
  SECRET_UNAVAILABLE: {
    meaning: 'A secret in a definition cannot be read: it does not exist, or other users can read its file.',
    remedy: 'Put the secret into the store under that name (a file of mode 0600), then retry.',
    sender: OUR_SIDE,
  },
  // Control API
  REQUEST_INVALID: {
    meaning:
      'A request to the API is malformed: a wrong type, an unknown field, a wrong encoding or a header that is too large.',
    remedy: 'Correct every fault in `details`. `/docs` describes each request.',
  },
  UNAUTHENTICATED: {
    meaning: 'The request has no API key, or the key is unknown or revoked.',
    remedy: 'Send a valid key in the header `x-api-key`, or sign in.',
  },
  SESSION_ENDED: {
    meaning: 'The session of the person has ended: signed out, idle for too long, disabled, or the role changed.',
    remedy: 'Sign in again.',
  },
  SESSION_REQUIRED: {
    meaning: 'The endpoint is for people who signed in, and the request has an API key or a token.',
    remedy: 'Use the console or the portal, or another endpoint.',
  },
  CROSS_SITE_REFUSED: {
    meaning: 'A request with a session does not come from a page of Longshore.',
    remedy:
      'Use the console or the portal. Programs send an API key in the header `x-api-key` instead of a session cookie.',
  },
  SIGN_IN_AGAIN: {
    meaning: 'This request needs a sign-in within the last 10 minutes.',
    remedy: 'Sign in again at the provider, and repeat the request.',
  },
  PERSON_EXISTS: {
    meaning: 'The tenant already has a person with this address.',
    remedy: 'Change the role of that person, or enable it.',
  },
  PERSON_ROLE_ELSEWHERE: {
    meaning: 'The role of the person comes from the provider or the key that it signs in with.',
    remedy: 'Change it there. The person can be disabled here.',
  },
  MAIL_CODE_NEEDED: {
    meaning: 'A mailed sign-in link was opened in another browser than the one that asked for it.',
    remedy: 'Enter the six digits that the asking browser shows, or open the link there.',
  },
  LINK_INVALID: {
    meaning: 'A sign-in link is unknown, was used before, or has expired.',
    remedy: 'Ask for another one.',
  },
  SIGN_IN_INSECURE: {
    meaning: 'Somebody tried to sign in without TLS from another machine, or by a way that is not switched on.',
    remedy: 'Use https, and set LONGSHORE_API_TRUSTED_PROXIES when a proxy ends TLS. See docs/guides/access.md.',
  },
  FORBIDDEN: {
    meaning: 'The role of the key or person, or the scopes of the key, do not allow this.',
    remedy: 'Ask somebody whose role allows it. Operators propose a change to an admin: `longshore ... --propose`.',
  },
  NOT_FOUND: {
    meaning: 'The requested object does not exist, or the API key is not allowed to see it.',
    remedy: 'Check the id or name, and that the key belongs to the tenant that owns it.',
  },
  FILE_NOT_QUARANTINED: {
    meaning: 'The file is not quarantined, so it cannot be routed again.',
    remedy: 'See its status: retry a failed job, or send a truncated upload again.',
  },
  JOB_NOT_RETRYABLE: {
    meaning: 'Only a job that failed or was cancelled can be retried.',
    remedy: 'See the state of the job. An open job continues without a retry.',
  },
  JOB_NOT_OPEN: {
    meaning: 'Only a job that has not ended can be cancelled.',
    remedy: 'Nothing to do. The job has already ended.',
  },
  JOB_NOT_IN_LINE: {
    meaning: 'Only a job that holds back the files behind it on an ordered route can be skipped.',
    remedy:
      'See the state of the job. A failed job blocks its line if the route says `onHeadFailure: block`, an open one until it ends.',
  },
  JOB_NOT_HELD: {
    meaning: 'Only a job that is held for an operator can be released or rejected.',
    remedy: 'See the state of the job and what it waits for. Held jobs wait for `HELD`.',
  },
  JOB_HAS_NO_RECORDS: {
    meaning: 'The route of the job does not read records, so there are none to show or retry.',
    remedy: 'Check the job id. `longshore job` shows the steps of a job.',
  },
  RECORDS_NOT_RETRYABLE: {
    meaning:
      'No record in the selection can be retried: only failed ones can, unless they are due again, a worker holds them, or a newer row has their business key.',
    remedy:
      'List them with `longshore records`. For a job that was cancelled or failed before its calls, retry the job.',
  },
  RECORDS_AMBIGUOUS: {
    meaning: 'The selection has only ambiguous records, and their calls may have had an effect.',
    remedy:
      'Ask the partner about them. Then select the state AMBIGUOUS, and `as_new` if the call should be a new one.',
  },
  FILE_NOT_ROUTED: {
    meaning: 'The file has not been routed yet, or its upload was incomplete.',
    remedy: 'Wait until it is routed; have a file whose upload was cut off sent again.',
  },
  JOB_NOT_ENDED: {
    meaning: 'Only a job that has ended can be sent again as new.',
    remedy: 'Wait until it ends, or cancel it.',
  },
  JOB_IS_BRANCH: {
    meaning: 'The job is a branch: it is retried and sent again with the job above it.',
    remedy: 'Act on the job above it, which `longshore job` names.',
  },
  JOB_SUPERSEDED: {
    meaning: 'The job was sent again as new: its file is processed on the route by a later job.',
    remedy: 'Look at the newest job of the file on that route, which `longshore status` lists, and act on that one.',
  },
  EFFECT_NOT_IN_DOUBT: {
    meaning: 'The outcome of the effect is already known, or its job is still running.',
    remedy: 'See the stage of the effect with `longshore effects show`. Nothing has to be decided about it.',
  },
  HOLD_RELEASED: {
    meaning: 'The legal hold has already been released.',
    remedy: 'See `longshore legal-hold list --all`. Nothing has to be done.',
  },
  RECIPIENT_HELD: {
    meaning: 'The recipient cannot be erased while the tenant has a legal hold. Nothing was erased.',
    remedy: 'See `longshore legal-hold list`. Ask again when the hold has been released.',
  },
  FILE_EXPIRED: {
    meaning: 'The objects of the file were deleted when their retention ended; its row is kept for longer.',
    remedy: 'Ask the sender to send the file again. A longer `retention.objects` keeps the objects of later files.',
    sender: { instead: 'The file was deleted, as agreed, after its time. Send it again if it is still needed.' },
  },
  FILE_NOT_ARCHIVED: {
    meaning: 'The file cannot be restored: its original is not in the archive.',
    remedy: 'Wait until the file has ended. What is in landing can be read as it is.',
  },
  BATCH_CLOSED: {
    meaning: 'The batch is already closed.',
    remedy: 'Nothing to do. See its files with `longshore batches show BATCH`.',
  },
  OCCURRENCE_OVER: {
    meaning: 'The occurrence is already met or excused, or it has not opened yet.',
    remedy: 'See its state with `longshore occurrences`. Nothing has to be decided about it.',
  },
  JOB_EXISTS: {
    meaning: 'Another request created a job for this file and route at the same time.',
    remedy: 'Send the request again to process the file on that route once more.',
  },
  RESEND_OF_RECORDS: {
    meaning: 'A job of a record file is not sent again as new: its records are, each with a new key.',
    remedy: 'Use `longshore retry JOB --records --as-new`.',
  },
  ROW_REFUSED: {
    meaning: 'The database refused to change one row of an action; the others were not held up.',
    remedy: 'Act on it alone to see why, and report it with its id.',
  },
  LETTER_NOT_PARKED: {
    meaning: 'The dead letter was redriven or discarded already, or there is none.',
    remedy: 'Nothing; `longshore dead-letters` shows what is still parked.',
  },
  LETTER_REFUSED: {
    meaning: 'The queue does not take the dead letter as it is, e.g. for its characters or its length.',
    remedy: 'Look at it with `longshore dead-letters show`; discard it, or send it with a corrected body.',
  },
  ACTION_FILTER_EMPTY: {
    meaning: 'An action needs at least one filter condition: without one it would take everything.',
    remedy: 'Name at least one condition, e.g. a route, a code or a time.',
  },
  ACTION_TOO_LARGE: {
    meaning: 'More than 100,000 rows fit the filter of an action.',
    remedy: 'Narrow the filter, e.g. by tenant or by time, and make several actions of it.',
  },
  REASON_WITHOUT_TICKET: {
    meaning: 'The reason does not name a ticket in the form that this instance asks for.',
    remedy: 'Put the number of the ticket into the reason; `longshore settings` shows the form.',
  },
  ACTION_EXPIRED: {
    meaning: 'The preview of an action is too old to be run: what it counted may have changed since.',
    remedy: 'Make a new preview; one can be run for 10 minutes, and approved for a day.',
  },
  ACTION_NOT_IN_STATE: {
    meaning: 'The state of the action does not allow this.',
    remedy: 'Look at its state with `longshore actions show`; one that has ended stays as it is.',
  },
  ACTION_SAME_PERSON: {
    meaning:
      'An action that needs a second person cannot be approved by the one who ran it, nor with a key that was made after it was run.',
    remedy: 'Have somebody else approve it, with the key or the session that they have.',
  },
  PROPOSAL_NOT_OPEN: {
    meaning: 'The proposal was already approved or rejected, or it expired after seven days.',
    remedy: 'Look at it with `longshore proposals show`; propose the change again if it is still wanted.',
  },
  PAYLOAD_TOO_LARGE: {
    meaning: 'The body of a request is larger than the endpoint takes: 1 MiB for most.',
    remedy: 'Send less at once, such as one route file per request.',
  },
  UPLOAD_MISMATCH: {
    meaning: 'The bytes that arrived are not those that the sender named, by size or by checksum. Nothing was kept.',
    remedy: 'Send the file again. If it continues, check that nothing changes it while it is read.',
  },
  UPLOAD_INCOMPLETE: {
    meaning: 'Parts of an upload are missing, or the sender stopped before the end.',
    remedy: 'Send the parts in `details.missing`, then complete it again; of a single body, send it again.',
  },
  UPLOAD_IN_PROGRESS: {
    meaning: 'Another request is sending the file of this Idempotency-Key or upload link.',
    remedy: 'Wait for the seconds in `Retry-After`, then repeat the request with the same key.',
  },
  UPLOAD_ENDED: {
    meaning: 'The upload was aborted, or it expired after 24 hours.',
    remedy: 'Begin a new upload.',
  },
  UPLOAD_STALLED: {
    meaning: 'No byte of a body arrived for 30 seconds.',
    remedy: 'Send it again, or use an upload in parts, which continues where it stopped.',
  },
  UPLOAD_TOO_LARGE: {
    meaning: 'The file is larger than this way of sending takes.',
    remedy: 'Use an upload in parts (`POST /api/v1/uploads`), which takes files of up to 5 TiB.',
  },
  UPLOAD_LINK_INVALID: {
    meaning: 'An upload link is not valid, has expired, or was used before.',
    remedy: 'Ask the person who sent the link for a new one.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    meaning: 'The Idempotency-Key was used before, for another request.',
    remedy: 'Use one key per file or campaign, and repeat it only with the same body.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    meaning: 'The body of a request is compressed, or has a type that the endpoint does not accept.',
    remedy: 'Send it uncompressed with the content type in `/docs`.',
  },
  RATE_LIMITED: {
    meaning: 'Too many requests with one key, or too many without a valid key from one address.',
    remedy: 'Wait for the seconds in `Retry-After`, then send requests more slowly.',
  },
  OVERLOADED: {
    meaning: 'The API has too many open requests.',
    remedy: 'Send the request again in a few seconds.',
  },
  REQUEST_TIMEOUT: {
    meaning: 'A request did not arrive completely, or could not be answered, in time.',
    remedy: 'Send it again. If it continues, check the database and the network.',
  },
  // Notices
  NOTICE_REFUSED: {
    meaning: 'The receiver of a notice answered but did not accept it.',
    remedy:
      'See the status in the message and check the receiver: does the webhook still exist, is the recipient known?',
  },
  NOTICE_UNREACHABLE: {
    meaning: 'The receiver of a notice did not answer in time. The notice may have arrived.',
    remedy: 'Nothing at first: it is sent again with the same id. If it continues, check the receiver and the network.',
  },
  NOTICE_ADDRESS_REFUSED: {
    meaning:
      'The receiver of a notice has an address that must not be called: private, local or a cloud metadata service.',
    remedy: 'Correct the URL in the secret, or ask the operator to add the network to LONGSHORE_NOTICE_ADDRESSES.',
  },
  NOTICE_CHANNEL_INVALID: {
    meaning: 'A channel is not usable: its secret is not a URL, or the fleet has no mail server.',
    remedy: 'Correct the secret, or set LONGSHORE_SMTP_HOST and LONGSHORE_SMTP_FROM.',
  },
  // Command line
  USAGE: {
    meaning: 'The command line is not valid, or lacks the address or the key of the API.',
    remedy: 'Run the command with `--help`.',
  },
  API_UNREACHABLE: {
    meaning: 'The API did not answer, or the answer did not come from the Longshore API.',
    remedy: 'Check that `npm start` is running, or the address in --api or LONGSHORE_API.',
  },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface LongshoreErrorOptions {
  readonly cause?: unknown;
  /** What to do in this very case; the code's general remedy when absent. */
  readonly hint?: string;
  /** Facts for logs and API answers. Never secrets, never file contents. */
  readonly details?: Record<string, unknown>;
}

/** A thrown error means a bug, bad input at a boundary, or a lost dependency; expected results are values of a union. */
export class LongshoreError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: LongshoreErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LongshoreError';
    this.code = code;
    this.hint = options.hint ?? ERROR_CODES[code].remedy;
    this.details = options.details ?? {};
  }
}
