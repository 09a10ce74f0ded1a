-- Held files that a person released or rejected in the last 90 days, and why.
SELECT event_time, tenant, CASE WHEN type = 'job.released' THEN 'released' ELSE 'rejected' END AS verdict, actor, file_id, job_id,
  step, coalesce(reason, message) AS reason
FROM events
WHERE (type = 'job.released' OR (type = 'job.failed' AND code = 'REJECTED'))
  AND dt >= cast(cast(current_date - interval '90' day AS date) AS varchar)
ORDER BY event_time DESC
