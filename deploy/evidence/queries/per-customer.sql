-- What each tenant sent in the last 30 days, and how much of it failed.
SELECT tenant,
  count(DISTINCT CASE WHEN type = 'file.routed' THEN file_id END) AS files,
  coalesce(sum(CASE WHEN type = 'file.routed' THEN size_bytes END), 0) AS bytes,
  count(DISTINCT CASE WHEN type = 'file.failed' THEN file_id END) AS failed,
  count(DISTINCT CASE WHEN type = 'file.quarantined' THEN file_id END) AS quarantined
FROM events
WHERE type IN ('file.routed', 'file.failed', 'file.quarantined')
  AND dt >= cast(cast(current_date - interval '30' day AS date) AS varchar)
GROUP BY tenant
ORDER BY files DESC, tenant
