CREATE TABLE "deletion_certificates" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"what" text NOT NULL,
	"rule" text NOT NULL,
	"files" integer NOT NULL,
	"jobs" integer NOT NULL,
	"bytes" bigint NOT NULL,
	"finished_from" timestamp(6) with time zone NOT NULL,
	"finished_to" timestamp(6) with time zone NOT NULL,
	"digest" text NOT NULL,
	"objects" integer NOT NULL,
	"objects_left" integer NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"completed_at" timestamp(6) with time zone,
	CONSTRAINT "deletion_certificates_what" CHECK (what IN ('files', 'objects')),
	CONSTRAINT "deletion_certificates_left" CHECK (objects_left >= 0 AND objects_left <= objects)
);
--> statement-breakpoint
CREATE TABLE "expired_objects" (
	"bucket" text NOT NULL,
	"key" text NOT NULL,
	"version_id" text NOT NULL,
	"tenant_id" text NOT NULL,
	"file_id" uuid NOT NULL,
	"job_id" uuid,
	"certificate_id" uuid NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"next_action_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"error_message" text,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "expired_objects_bucket_key_version_id_pk" PRIMARY KEY("bucket","key","version_id")
);
--> statement-breakpoint
CREATE TABLE "legal_holds" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"tenant_id" text NOT NULL,
	"route_id" uuid,
	"file_id" uuid,
	"reason" text NOT NULL,
	"placed_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"released_at" timestamp(6) with time zone,
	"released_by" text,
	"release_reason" text,
	CONSTRAINT "legal_holds_scope" CHECK (route_id IS NULL OR file_id IS NULL)
);
--> statement-breakpoint
CREATE TABLE "restores" (
	"file_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"state" text NOT NULL,
	"days" integer NOT NULL,
	"tier" text NOT NULL,
	"resends" boolean DEFAULT false NOT NULL,
	"reason" text NOT NULL,
	"actor" text NOT NULL,
	"error_code" text,
	"error_message" text,
	"next_action_at" timestamp(6) with time zone,
	"readable_until" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "restores_state" CHECK (state IN ('ASKED', 'THAWING', 'READY', 'FAILED'))
);
--> statement-breakpoint
CREATE TABLE "retention_changes" (
	"tenant_id" text PRIMARY KEY NOT NULL,
	"after_created_at" timestamp(6) with time zone,
	"after_id" uuid,
	"changed_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "retention_defaults" (
	"is_only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"files_ms" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "routes" ADD COLUMN "retention" jsonb;--> statement-breakpoint
ALTER TABLE "files" ADD COLUMN "expire_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "files" ADD COLUMN "objects_expire_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "files" ADD COLUMN "objects_removed_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "retention" jsonb;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "hold_changes" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "legal_holds" ADD CONSTRAINT "legal_holds_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "retention_changes" ADD CONSTRAINT "retention_changes_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "deletion_certificates_tenant" ON "deletion_certificates" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "expired_objects_due" ON "expired_objects" USING btree ("next_action_at");--> statement-breakpoint
CREATE INDEX "expired_objects_file" ON "expired_objects" USING btree ("file_id");--> statement-breakpoint
CREATE INDEX "legal_holds_tenant" ON "legal_holds" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "legal_holds_file" ON "legal_holds" USING btree ("file_id") WHERE file_id IS NOT NULL AND released_at IS NULL;--> statement-breakpoint
CREATE INDEX "restores_due" ON "restores" USING btree ("next_action_at") WHERE next_action_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "dead_letters_file" ON "dead_letters" USING btree ("file_id") WHERE file_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "dead_letters_job" ON "dead_letters" USING btree ("job_id") WHERE job_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "files_expiring" ON "files" USING btree ("tenant_id","expire_at") WHERE expire_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "files_objects_expiring" ON "files" USING btree ("tenant_id","objects_expire_at") WHERE objects_expire_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "files_parent" ON "files" USING btree ("parent_file_id") WHERE parent_file_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "notices_parked" ON "notices" USING btree ("created_at") WHERE state = 'PARKED';--> statement-breakpoint
CREATE INDEX "pulls_cleaned" ON "pulls" USING btree ("cleaned_at") WHERE cleaned_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE "files" ADD CONSTRAINT "files_objects_removed" CHECK (objects_removed_at IS NULL OR finished_at IS NOT NULL);
--> statement-breakpoint
-- How long a finished file and its objects are kept: by the longest of its routes, each by what the route says, then its tenant, then the default.
CREATE FUNCTION retention_of(tenant text, file uuid) RETURNS TABLE (files_ms bigint, objects_ms bigint, rule text)
LANGUAGE sql STABLE AS $$
  WITH rule AS (
    SELECT
      CASE WHEN r.retention ? 'files' THEN 'route ' || r.name WHEN t.retention ? 'files' THEN 'tenant' ELSE 'default' END AS rule,
      coalesce((r.retention ->> 'files')::bigint, (t.retention ->> 'files')::bigint, nullif(d.files_ms, 0)) AS files_ms,
      coalesce((r.retention ->> 'objects')::bigint, (t.retention ->> 'objects')::bigint) AS objects_ms
    FROM tenants t
    LEFT JOIN retention_defaults d ON true
    LEFT JOIN (SELECT DISTINCT route_id FROM jobs WHERE file_id = file) AS j ON true
    LEFT JOIN routes r ON r.id = j.route_id
    WHERE t.id = tenant)
  SELECT files_ms, (SELECT CASE WHEN bool_or(coalesce(objects_ms, files_ms) IS NULL) THEN NULL ELSE max(coalesce(objects_ms, files_ms)) END FROM rule), rule
  FROM rule ORDER BY files_ms DESC NULLS FIRST, rule LIMIT 1
$$;
--> statement-breakpoint
-- `objects_expire_at` is null where the objects go with the row.
CREATE FUNCTION expiry_of(tenant text, file uuid, finished timestamptz) RETURNS TABLE (expire_at timestamptz, objects_expire_at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(finished + make_interval(secs => files_ms / 1000.0), 'infinity'),
    CASE WHEN objects_ms < coalesce(files_ms, objects_ms + 1) THEN finished + make_interval(secs => objects_ms / 1000.0) END
  FROM retention_of(tenant, file)
$$;
--> statement-breakpoint
CREATE FUNCTION date_finished_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.expire_at := NULL;
  NEW.objects_expire_at := NULL;
  IF NEW.finished_at IS NOT NULL THEN
    SELECT e.expire_at, e.objects_expire_at INTO NEW.expire_at, NEW.objects_expire_at
    FROM expiry_of(NEW.tenant_id, NEW.id, NEW.finished_at) e;
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER files_finished_first BEFORE INSERT ON files FOR EACH ROW
WHEN (NEW.finished_at IS NOT NULL AND NEW.expire_at IS NULL) EXECUTE FUNCTION date_finished_file();
--> statement-breakpoint
CREATE TRIGGER files_finished BEFORE UPDATE OF finished_at ON files FOR EACH ROW
WHEN (NEW.finished_at IS DISTINCT FROM OLD.finished_at) EXECUTE FUNCTION date_finished_file();
