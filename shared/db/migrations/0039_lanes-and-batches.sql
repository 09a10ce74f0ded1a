CREATE TABLE "batches" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"route_id" uuid NOT NULL,
	"key" text NOT NULL,
	"state" text DEFAULT 'OPEN' NOT NULL,
	"full_at" integer,
	"idle_ms" integer,
	"max_concurrency" integer,
	"files" integer DEFAULT 0 NOT NULL,
	"changes" integer DEFAULT 1 NOT NULL,
	"manifest_file_id" uuid,
	"expected" jsonb,
	"missing" jsonb,
	"close_at" timestamp(6) with time zone,
	"closed_by" text,
	"look_at" timestamp(6) with time zone NOT NULL,
	"opened_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"last_joined_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"closed_at" timestamp(6) with time zone,
	"finished_at" timestamp(6) with time zone,
	"succeeded_files" integer,
	"failed_files" integer,
	CONSTRAINT "batches_state" CHECK (state IN ('OPEN', 'RUNNING', 'SUCCEEDED', 'FAILED'))
);
--> statement-breakpoint
ALTER TABLE "files" DROP CONSTRAINT "files_status";--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "lane" text DEFAULT 'standard' NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "batch_id" uuid;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "priority" text DEFAULT 'standard' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "batches_open" ON "batches" USING btree ("route_id","key") WHERE state = 'OPEN';--> statement-breakpoint
CREATE INDEX "batches_due" ON "batches" USING btree ("look_at") WHERE state IN ('OPEN', 'RUNNING');--> statement-breakpoint
CREATE INDEX "batches_tenant" ON "batches" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "batches_route" ON "batches" USING btree ("route_id","id");--> statement-breakpoint
CREATE INDEX "jobs_batch" ON "jobs" USING btree ("batch_id","id") WHERE batch_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "jobs_batch_waiting" ON "jobs" USING btree ("batch_id","id") WHERE state = 'WAITING' AND wait_reason = 'BATCH';--> statement-breakpoint
CREATE INDEX "jobs_batch_going" ON "jobs" USING btree ("batch_id") WHERE batch_id IS NOT NULL AND finished_at IS NULL AND wait_reason IS DISTINCT FROM 'BATCH';--> statement-breakpoint
-- Not validated: every row kept a narrower check until now, and a scan would hold the lock on the whole table.
ALTER TABLE "files" ADD CONSTRAINT "files_status" CHECK (status IN ('UPLOADED', 'QUEUED', 'PROCESSING', 'COMPLETED', 'FAILED', 'QUARANTINED', 'COMPANION', 'ELSEWHERE')) NOT VALID;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_lane" CHECK (lane IN ('platinum', 'standard', 'bronze')) NOT VALID;