-- Files that were delivered and archived in each hour of the last 30 days (UTC), and their bytes.
SELECT dt, hour, count(*) AS files, sum(size_bytes) AS bytes
FROM events
WHERE type = 'file.completed' AND duration_ms IS NOT NULL
  AND dt >= cast(cast(current_date - interval '30' day AS date) AS varchar)
GROUP BY dt, hour
ORDER BY dt DESC, hour DESC
