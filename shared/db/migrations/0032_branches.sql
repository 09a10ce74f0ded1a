ALTER TABLE "jobs" DROP CONSTRAINT "jobs_file_route";--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "parent_job_id" uuid;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "parent_seq" integer;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "branch" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "depth" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "inputs" jsonb;--> statement-breakpoint
CREATE INDEX "jobs_parent" ON "jobs" USING btree ("parent_job_id","parent_seq") WHERE parent_job_id IS NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_file_route" UNIQUE NULLS NOT DISTINCT("file_id","route_id","run","parent_job_id","parent_seq","branch");