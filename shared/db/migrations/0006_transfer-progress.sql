ALTER TABLE "transfers" DROP CONSTRAINT "transfers_plan";--> statement-breakpoint
ALTER TABLE "transfers" ALTER COLUMN "bytes_total" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "progress_epoch" integer;--> statement-breakpoint
ALTER TABLE "transfers" ADD CONSTRAINT "transfers_plan" CHECK (plan IN ('server-side', 'streamed', 'unknown-length'));