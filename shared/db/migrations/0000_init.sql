-- UUID version 7 (RFC 9562, 5.7): ordered by time. PostgreSQL has one of its own from 18 on; Aurora may be older.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1),
    'hex')::uuid
$$;
--> statement-breakpoint
CREATE SEQUENCE "public"."file_order" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"label" text NOT NULL,
	"key_hash" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"revoked_at" timestamp(6) with time zone,
	CONSTRAINT "api_keys_key_hash_unique" UNIQUE("key_hash")
);
--> statement-breakpoint
CREATE TABLE "attempts" (
	"id" uuid DEFAULT uuid_v7() NOT NULL,
	"tenant_id" text NOT NULL,
	"job_id" uuid NOT NULL,
	"generation" integer NOT NULL,
	"step_seq" integer NOT NULL,
	"step_kind" text NOT NULL,
	"attempt" integer NOT NULL,
	"outcome" text NOT NULL,
	"code" text,
	"cause" text,
	"message" text,
	"worker" text NOT NULL,
	"started_at" timestamp(6) with time zone NOT NULL,
	"duration_ms" integer NOT NULL,
	CONSTRAINT "attempts_started_at_id_pk" PRIMARY KEY("started_at","id")
) PARTITION BY RANGE ("started_at");
--> statement-breakpoint
CREATE TABLE "attempts_default" PARTITION OF "attempts" DEFAULT;
--> statement-breakpoint
CREATE TABLE "audit_events" (
	"id" uuid DEFAULT uuid_v7() NOT NULL,
	"at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"type" text NOT NULL,
	"tenant_id" text NOT NULL,
	"file_id" uuid,
	"job_id" uuid,
	"actor" text NOT NULL,
	"detail" jsonb NOT NULL,
	CONSTRAINT "audit_events_at_id_pk" PRIMARY KEY("at","id")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
CREATE TABLE "audit_events_default" PARTITION OF "audit_events" DEFAULT;
--> statement-breakpoint
CREATE TABLE "dead_letters" (
	"id" uuid PRIMARY KEY NOT NULL,
	"queue" text NOT NULL,
	"message_id" text NOT NULL,
	"body" text NOT NULL,
	"attributes" jsonb NOT NULL,
	"receive_count" integer NOT NULL,
	"reason" text NOT NULL,
	"tenant_id" text,
	"file_id" uuid,
	"job_id" uuid,
	"state" text NOT NULL,
	"note" text,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "dead_letters_message" UNIQUE("queue","message_id"),
	CONSTRAINT "dead_letters_state" CHECK (state IN ('PARKED', 'REDRIVEN', 'DISCARDED'))
);
--> statement-breakpoint
CREATE TABLE "files" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"bucket" text NOT NULL,
	"key" text NOT NULL,
	"version_id" text NOT NULL,
	"name" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"etag" text NOT NULL,
	"source" text NOT NULL,
	"uploaded_by" text,
	"uploaded_at" timestamp(6) with time zone NOT NULL,
	"parent_file_id" uuid,
	"duplicate_of" uuid,
	"status" text NOT NULL,
	"error_code" text,
	"error_cause" text,
	"error_message" text,
	"order_key" text NOT NULL,
	"order_seq" bigint,
	"is_large" boolean DEFAULT false NOT NULL,
	"routed_at" timestamp(6) with time zone,
	"job_count" integer DEFAULT 0 NOT NULL,
	"open_jobs" integer DEFAULT 0 NOT NULL,
	"failed_jobs" integer DEFAULT 0 NOT NULL,
	"archive_bucket" text,
	"archive_key" text,
	"archive_version_id" text,
	"archived_at" timestamp(6) with time zone,
	"archive_attempts" integer DEFAULT 0 NOT NULL,
	"queue" text DEFAULT 'ingest' NOT NULL,
	"woken_at" timestamp(6) with time zone,
	"wakes" integer DEFAULT 0 NOT NULL,
	"next_action_at" timestamp(6) with time zone,
	"epoch" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp(6) with time zone,
	"claim_token" uuid,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp(6) with time zone,
	CONSTRAINT "files_object" UNIQUE("bucket","key","version_id"),
	CONSTRAINT "files_status" CHECK (status IN ('UPLOADED', 'QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED', 'QUARANTINED')),
	CONSTRAINT "files_open_jobs" CHECK (open_jobs >= 0 AND failed_jobs >= 0)
);
--> statement-breakpoint
CREATE TABLE "job_steps" (
	"job_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"attempts" integer NOT NULL,
	"output" jsonb,
	"error_code" text,
	"error_cause" text,
	"error_message" text,
	"started_at" timestamp(6) with time zone NOT NULL,
	"finished_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "job_steps_job_id_seq_pk" PRIMARY KEY("job_id","seq")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"file_id" uuid NOT NULL,
	"route_id" uuid NOT NULL,
	"route_version_id" uuid NOT NULL,
	"state" text NOT NULL,
	"generation" integer DEFAULT 1 NOT NULL,
	"is_large" boolean DEFAULT false NOT NULL,
	"step_seq" integer DEFAULT 0 NOT NULL,
	"step_kind" text NOT NULL,
	"step_count" integer NOT NULL,
	"step_attempts" integer DEFAULT 0 NOT NULL,
	"step_tries" integer DEFAULT 0 NOT NULL,
	"max_attempts" integer NOT NULL,
	"retry_count" integer DEFAULT 0 NOT NULL,
	"object" jsonb,
	"queue" text NOT NULL,
	"woken_at" timestamp(6) with time zone,
	"wakes" integer DEFAULT 0 NOT NULL,
	"next_action_at" timestamp(6) with time zone,
	"epoch" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp(6) with time zone,
	"claim_token" uuid,
	"worker" text,
	"processed_by" text,
	"is_ordered" boolean DEFAULT false NOT NULL,
	"head_failure" text DEFAULT 'block' NOT NULL,
	"order_key" text,
	"order_seq" bigint,
	"wait_reason" text,
	"error_code" text,
	"error_cause" text,
	"error_message" text,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp(6) with time zone,
	"finished_at" timestamp(6) with time zone,
	CONSTRAINT "jobs_file_route" UNIQUE("file_id","route_id"),
	CONSTRAINT "jobs_state" CHECK (state IN ('PENDING', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
	CONSTRAINT "jobs_head_failure" CHECK (head_failure IN ('block', 'skip'))
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"event_id" uuid NOT NULL,
	"topic" text NOT NULL,
	"body" jsonb NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"locked_until" timestamp(6) with time zone,
	CONSTRAINT "outbox_event_id_topic_pk" PRIMARY KEY("event_id","topic")
);
--> statement-breakpoint
CREATE TABLE "route_versions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"route_id" uuid NOT NULL,
	"version" integer NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "route_versions_route_version" UNIQUE("route_id","version")
);
--> statement-breakpoint
CREATE TABLE "routes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"active_version" integer NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp(6) with time zone,
	CONSTRAINT "routes_tenant_name" UNIQUE("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "sftp_users" (
	"username" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"public_key" text NOT NULL,
	"home_prefix" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "tenants" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"time_zone" text DEFAULT 'UTC' NOT NULL,
	"home_region" text,
	"ignore_globs" text[] NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp(6) with time zone
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "files" ADD CONSTRAINT "files_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_file_id_files_id_fk" FOREIGN KEY ("file_id") REFERENCES "public"."files"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "route_versions" ADD CONSTRAINT "route_versions_route_id_routes_id_fk" FOREIGN KEY ("route_id") REFERENCES "public"."routes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "routes" ADD CONSTRAINT "routes_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sftp_users" ADD CONSTRAINT "sftp_users_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "attempts_job" ON "attempts" USING btree ("job_id");--> statement-breakpoint
CREATE INDEX "audit_events_file" ON "audit_events" USING btree ("file_id");--> statement-breakpoint
CREATE INDEX "audit_events_job" ON "audit_events" USING btree ("job_id");--> statement-breakpoint
CREATE INDEX "dead_letters_state_created" ON "dead_letters" USING btree ("state","created_at");--> statement-breakpoint
CREATE INDEX "files_open" ON "files" USING btree ("status","queue","next_action_at") WHERE status IN ('UPLOADED', 'QUEUED', 'PROCESSING');--> statement-breakpoint
CREATE INDEX "files_archive_due" ON "files" USING btree ("lease_until") WHERE status = 'PROCESSING' AND open_jobs = 0;--> statement-breakpoint
CREATE INDEX "files_unrouted" ON "files" USING btree ("order_key","order_seq") WHERE routed_at IS NULL AND status = 'QUEUED';--> statement-breakpoint
CREATE INDEX "files_tenant_created" ON "files" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "files_tenant_name" ON "files" USING btree ("tenant_id","name","created_at");--> statement-breakpoint
CREATE INDEX "files_content" ON "files" USING btree ("tenant_id","etag","size_bytes");--> statement-breakpoint
CREATE INDEX "jobs_waiting_admission" ON "jobs" USING btree ("queue","tenant_id","created_at") WHERE state = 'PENDING' AND woken_at IS NULL;--> statement-breakpoint
CREATE INDEX "jobs_standing" ON "jobs" USING btree ("queue","tenant_id","woken_at") WHERE state = 'PENDING' AND woken_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "jobs_waiting" ON "jobs" USING btree ("next_action_at") WHERE state = 'WAITING';--> statement-breakpoint
CREATE INDEX "jobs_running" ON "jobs" USING btree ("lease_until") WHERE state = 'RUNNING';--> statement-breakpoint
CREATE INDEX "jobs_order" ON "jobs" USING btree ("route_id","order_key","order_seq") WHERE is_ordered AND state IN ('PENDING', 'RUNNING', 'WAITING', 'FAILED');--> statement-breakpoint
CREATE INDEX "outbox_created" ON "outbox" USING btree ("created_at");
--> statement-breakpoint
-- Counters and wake-ups are updated in place many times: room on each page keeps those updates off the indexes.
ALTER TABLE "files" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
--> statement-breakpoint
ALTER TABLE "jobs" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
--> statement-breakpoint
-- A queue in a table: always nearly empty, never without dead rows.
ALTER TABLE "outbox" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
--> statement-breakpoint
INSERT INTO "tenants" ("id", "name", "ignore_globs") VALUES ('unassigned', 'Objects under no tenant''s prefix', '{}');
