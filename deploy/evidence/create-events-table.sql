CREATE EXTERNAL TABLE events (
  line bigint COMMENT 'number of the line over all tenants, from 1, without gaps',
  event_time string COMMENT 'when it happened: RFC 3339 in UTC, with microseconds',
  event_id string COMMENT 'stable id of the event',
  type string COMMENT 'its type, see docs/reference/events.md',
  tenant string COMMENT 'the tenant; `unassigned` for none',
  file_id string COMMENT 'the file, if it is about one',
  job_id string COMMENT 'the job, if it is about one',
  actor string COMMENT 'the service, key or person that did it',
  tenant_line bigint COMMENT 'number of the line in the tenant''s chain',
  hash string COMMENT 'hash of the line and of the line before it, hex',
  detail string COMMENT 'the rest, as JSON',
  size_bytes bigint COMMENT 'size of the file',
  duration_ms bigint COMMENT 'how long it took; of a file since its upload',
  code string COMMENT 'error code',
  cause string COMMENT 'what was wrong',
  message string COMMENT 'what was wrong, as a sentence',
  step string COMMENT 'kind of the step',
  reason string COMMENT 'why a person did it',
  session_id string COMMENT 'the SFTP session',
  username string COMMENT 'the SFTP user',
  client_ip string COMMENT 'where the SFTP session came from',
  failure string COMMENT 'why an action of an SFTP session failed'
)
PARTITIONED BY (dt string, hour string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION 's3://PREFIX-evidence/events/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2026-01-01,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hour.type' = 'integer',
  'projection.hour.range' = '0,23',
  'projection.hour.digits' = '2',
  'storage.location.template' = 's3://PREFIX-evidence/events/dt=${dt}/hour=${hour}/'
)
