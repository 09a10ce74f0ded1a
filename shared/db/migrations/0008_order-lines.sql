CREATE TABLE "job_lines" (
	"order_key" text NOT NULL,
	"route_id" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"holder" uuid,
	"changes" integer DEFAULT 1 NOT NULL,
	"look_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "job_lines_order_key_route_id_pk" PRIMARY KEY("order_key","route_id")
);
--> statement-breakpoint
DROP INDEX "files_finished";--> statement-breakpoint
DROP INDEX "jobs_order";--> statement-breakpoint
DROP INDEX "files_open";--> statement-breakpoint
DROP INDEX "files_archive_due";--> statement-breakpoint
DROP INDEX "files_unrouted";--> statement-breakpoint
DROP INDEX "files_tenant_name";--> statement-breakpoint
DROP INDEX "files_content";--> statement-breakpoint
DROP INDEX "jobs_waiting_admission";--> statement-breakpoint
DROP INDEX "jobs_waiting";--> statement-breakpoint
DROP INDEX "record_chunks_standing";--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "order_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "awaits_turn" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "job_lines_due" ON "job_lines" USING btree ("look_at");--> statement-breakpoint
CREATE INDEX "files_settling" ON "files" USING btree ("next_action_at") WHERE status = 'UPLOADED';--> statement-breakpoint
CREATE INDEX "files_queued" ON "files" USING btree ("woken_at") WHERE status = 'QUEUED';--> statement-breakpoint
CREATE INDEX "files_unsuccessful" ON "files" USING btree ("status","created_at","id") WHERE status IN ('FAILED', 'QUARANTINED');--> statement-breakpoint
CREATE INDEX "files_tenant_unsuccessful" ON "files" USING btree ("tenant_id","status","created_at","id") WHERE status IN ('FAILED', 'QUARANTINED');--> statement-breakpoint
CREATE INDEX "jobs_turn" ON "jobs" USING btree ("order_key","route_id","order_at","order_seq") WHERE awaits_turn AND state = 'PENDING';--> statement-breakpoint
CREATE INDEX "jobs_carrying" ON "jobs" USING btree ("tenant_id") WHERE state = 'WAITING' AND open_records > 0;--> statement-breakpoint
CREATE INDEX "record_chunks_due" ON "record_chunks" USING btree ("next_action_at") WHERE woken_at IS NULL AND lease_until IS NULL;--> statement-breakpoint
CREATE INDEX "record_chunks_waiting" ON "record_chunks" USING btree ("job_id","id") WHERE woken_at IS NULL AND lease_until IS NULL AND next_action_at IS NULL;--> statement-breakpoint
CREATE INDEX "record_chunks_occupying" ON "record_chunks" USING btree ("job_id") WHERE woken_at IS NOT NULL OR lease_until IS NOT NULL OR next_action_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "record_chunks_leased" ON "record_chunks" USING btree ("lease_until") WHERE lease_until IS NOT NULL;--> statement-breakpoint
CREATE INDEX "files_open" ON "files" USING btree ("created_at","id") WHERE status IN ('UPLOADED', 'QUEUED', 'PROCESSING');--> statement-breakpoint
CREATE INDEX "files_archive_due" ON "files" USING btree ("next_action_at") WHERE status = 'PROCESSING' AND open_jobs = 0;--> statement-breakpoint
CREATE INDEX "files_unrouted" ON "files" USING btree ("order_key","uploaded_at") WHERE routed_at IS NULL AND status IN ('UPLOADED', 'QUEUED');--> statement-breakpoint
CREATE INDEX "files_tenant_name" ON "files" USING btree ("tenant_id","name" text_pattern_ops,"created_at");--> statement-breakpoint
CREATE INDEX "files_content" ON "files" USING btree ("tenant_id","etag","size_bytes","created_at");--> statement-breakpoint
CREATE INDEX "jobs_waiting_admission" ON "jobs" USING btree ("queue","tenant_id","created_at") WHERE state = 'PENDING' AND woken_at IS NULL AND NOT awaits_turn;--> statement-breakpoint
CREATE INDEX "jobs_waiting" ON "jobs" USING btree ("queue","tenant_id","next_action_at") WHERE state = 'WAITING';--> statement-breakpoint
CREATE INDEX "record_chunks_standing" ON "record_chunks" USING btree ("woken_at") WHERE woken_at IS NOT NULL AND lease_until IS NULL;--> statement-breakpoint
UPDATE "jobs" j SET "order_at" = f.uploaded_at,
  "awaits_turn" = j.state = 'PENDING' AND j.started_at IS NULL,
  "woken_at" = CASE WHEN j.state = 'PENDING' AND j.started_at IS NULL THEN NULL ELSE j.woken_at END
FROM "files" f
WHERE f.id = j.file_id AND j.is_ordered AND j.state IN ('PENDING', 'RUNNING', 'WAITING', 'FAILED');--> statement-breakpoint
INSERT INTO "job_lines" (order_key, route_id, tenant_id, holder, look_at)
SELECT order_key, route_id, min(tenant_id),
  (array_agg(id ORDER BY order_at, order_seq)
    FILTER (WHERE NOT awaits_turn AND (state <> 'FAILED' OR head_failure = 'block')))[1], now()
FROM "jobs" WHERE is_ordered AND order_key IS NOT NULL AND state IN ('PENDING', 'RUNNING', 'WAITING', 'FAILED')
GROUP BY order_key, route_id;
