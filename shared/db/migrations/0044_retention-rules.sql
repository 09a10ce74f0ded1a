-- How long a finished file and its objects are kept, and by whose word each: by the longest of its routes, each by what the route says, then its
-- tenant, then the default. Those before this version read the first three columns.
DROP FUNCTION retention_of(text, uuid);
--> statement-breakpoint
CREATE FUNCTION retention_of(tenant text, file uuid) RETURNS TABLE (files_ms bigint, objects_ms bigint, rule text, objects_rule text)
LANGUAGE sql STABLE AS $$
  WITH of_route AS (
    SELECT
      CASE WHEN r.retention ? 'files' THEN 'route ' || r.name WHEN t.retention ? 'files' THEN 'tenant' ELSE 'default' END AS rule,
      coalesce((r.retention ->> 'files')::bigint, (t.retention ->> 'files')::bigint, nullif(d.files_ms, 0)) AS files_ms,
      CASE WHEN r.retention ? 'objects' THEN 'route ' || r.name WHEN t.retention ? 'objects' THEN 'tenant' END AS own_rule,
      coalesce((r.retention ->> 'objects')::bigint, (t.retention ->> 'objects')::bigint) AS own_ms
    FROM tenants t
    LEFT JOIN retention_defaults d ON true
    LEFT JOIN (SELECT DISTINCT route_id FROM jobs WHERE file_id = file) AS j ON true
    LEFT JOIN routes r ON r.id = j.route_id
    WHERE t.id = tenant),
  rules AS (SELECT rule, files_ms, coalesce(own_ms, files_ms) AS objects_ms, coalesce(own_rule, rule) AS objects_rule FROM of_route)
  SELECT f.files_ms, o.objects_ms, f.rule, o.objects_rule
  FROM (SELECT files_ms, rule FROM rules ORDER BY files_ms DESC NULLS FIRST, rule LIMIT 1) AS f,
    (SELECT objects_ms, objects_rule FROM rules ORDER BY objects_ms DESC NULLS FIRST, objects_rule LIMIT 1) AS o
$$;
--> statement-breakpoint
-- `objects_expire_at` is null where the objects go with the row.
CREATE FUNCTION expiry_dates(finished timestamptz, files_ms bigint, objects_ms bigint) RETURNS TABLE (expire_at timestamptz, objects_expire_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(finished + make_interval(secs => files_ms / 1000.0), 'infinity'),
    CASE WHEN objects_ms < coalesce(files_ms, objects_ms + 1) THEN finished + make_interval(secs => objects_ms / 1000.0) END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION expiry_of(tenant text, file uuid, finished timestamptz) RETURNS TABLE (expire_at timestamptz, objects_expire_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT e.expire_at, e.objects_expire_at FROM retention_of(tenant, file) AS r CROSS JOIN LATERAL expiry_dates(finished, r.files_ms, r.objects_ms) AS e
$$;
