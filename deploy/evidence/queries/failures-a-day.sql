-- Files that failed or were quarantined on each day of the last 30 (UTC), and why.
SELECT dt, coalesce(code, 'NONE') AS code, coalesce(cause, 'NONE') AS cause, count(DISTINCT file_id) AS files
FROM events
WHERE type IN ('file.failed', 'file.quarantined') AND coalesce(code, 'NONE') <> 'COMPANION_FILE'
  AND dt >= cast(cast(current_date - interval '30' day AS date) AS varchar)
GROUP BY dt, coalesce(code, 'NONE'), coalesce(cause, 'NONE')
ORDER BY dt DESC, files DESC, code, cause
