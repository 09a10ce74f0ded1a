ALTER TABLE "files" ADD COLUMN "type" text GENERATED ALWAYS AS (lower(substring(name FROM '.\.([^.]+)$'))) STORED;--> statement-breakpoint
CREATE INDEX "files_unsuccessful_code" ON "files" USING btree ("status","error_code","created_at","id") WHERE status IN ('FAILED', 'QUARANTINED');--> statement-breakpoint
CREATE INDEX "files_unsuccessful_finished" ON "files" USING btree ("status","finished_at","id") WHERE status IN ('FAILED', 'QUARANTINED');--> statement-breakpoint
CREATE INDEX "files_tenant_unsuccessful_code" ON "files" USING btree ("tenant_id","status","error_code","created_at","id") WHERE status IN ('FAILED', 'QUARANTINED');--> statement-breakpoint
CREATE INDEX "files_tenant_unsuccessful_finished" ON "files" USING btree ("tenant_id","status","finished_at","id") WHERE status IN ('FAILED', 'QUARANTINED');--> statement-breakpoint
CREATE INDEX "files_created" ON "files" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "files_tenant_type" ON "files" USING btree ("tenant_id","type","created_at","id");