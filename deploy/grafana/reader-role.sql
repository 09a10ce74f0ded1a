-- The role by which the dashboard "files and sessions" reads, and no more. As the owner of the schema, again after each upgrade; then
-- give it a password: ALTER ROLE longshore_reader PASSWORD '...'.
DO $$
BEGIN
  CREATE ROLE longshore_reader LOGIN;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
GRANT SELECT (id, tenant_id, name, size_bytes, status, error_code, created_at, finished_at) ON files TO longshore_reader;
GRANT SELECT ON sftp_sessions TO longshore_reader;
