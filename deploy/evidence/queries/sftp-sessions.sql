-- SFTP sessions of the last 7 days: who, from where, and what was sent and fetched.
SELECT session_id, tenant, username, client_ip, min(event_time) AS first_time, max(event_time) AS last_time,
  count(CASE WHEN type = 'sftp.upload' AND failure IS NULL THEN 1 END) AS uploads,
  coalesce(sum(CASE WHEN type = 'sftp.upload' AND failure IS NULL THEN size_bytes END), 0) AS uploaded_bytes,
  count(CASE WHEN type = 'sftp.download' AND failure IS NULL THEN 1 END) AS downloads,
  count(failure) AS failures
FROM events
WHERE type LIKE 'sftp.%' AND dt >= cast(cast(current_date - interval '7' day AS date) AS varchar)
GROUP BY session_id, tenant, username, client_ip
ORDER BY first_time DESC, session_id
