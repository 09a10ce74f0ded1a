DROP INDEX "files_content";--> statement-breakpoint
ALTER TABLE "files" ADD COLUMN "head" jsonb;--> statement-breakpoint
ALTER TABLE "files" ADD COLUMN "content_hash" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "time_zone" text DEFAULT 'UTC' NOT NULL;--> statement-breakpoint
CREATE INDEX "files_content" ON "files" USING btree ("tenant_id","content_hash","size_bytes","created_at");