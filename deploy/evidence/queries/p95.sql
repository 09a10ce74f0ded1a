-- On each of the last 30 days: the seconds in which half, 95 % and 99 % of the files went from upload to archive.
WITH ranked AS (
  SELECT dt, tenant, duration_ms, cume_dist() OVER (PARTITION BY dt, tenant ORDER BY duration_ms) AS share
  FROM events
  WHERE type = 'file.completed' AND duration_ms IS NOT NULL
    AND dt >= cast(cast(current_date - interval '30' day AS date) AS varchar)
)
SELECT dt, tenant, count(*) AS files,
  min(CASE WHEN share >= 0.5 THEN duration_ms END) / 1000.0 AS p50_seconds,
  min(CASE WHEN share >= 0.95 THEN duration_ms END) / 1000.0 AS p95_seconds,
  min(CASE WHEN share >= 0.99 THEN duration_ms END) / 1000.0 AS p99_seconds
FROM ranked
GROUP BY dt, tenant
ORDER BY dt DESC, tenant
