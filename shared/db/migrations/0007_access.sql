ALTER TABLE "sftp_users" ADD COLUMN "is_declared" boolean DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE "sftp_users" ADD COLUMN "removed_at" timestamp(6) with time zone;--> statement-breakpoint
CREATE INDEX "jobs_tenant" ON "jobs" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "jobs_route" ON "jobs" USING btree ("route_id","id");--> statement-breakpoint
CREATE INDEX "jobs_wait_reason" ON "jobs" USING btree ("wait_reason","id") WHERE state = 'WAITING';--> statement-breakpoint
CREATE INDEX "jobs_failed" ON "jobs" USING btree ("id") WHERE state IN ('FAILED', 'CANCELLED');--> statement-breakpoint
CREATE INDEX "jobs_tenant_failed" ON "jobs" USING btree ("tenant_id","id") WHERE state IN ('FAILED', 'CANCELLED');