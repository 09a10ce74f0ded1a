DROP INDEX "jobs_running";--> statement-breakpoint
CREATE INDEX "jobs_running" ON "jobs" USING btree ("queue") WHERE state = 'RUNNING';--> statement-breakpoint
-- Room for the lease of each row next to it, which then changes no index.
ALTER TABLE "outbox" SET (fillfactor = 50);
