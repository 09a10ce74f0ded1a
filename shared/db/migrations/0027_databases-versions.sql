ALTER TABLE "databases" ADD COLUMN "revision" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "databases" ADD COLUMN "removed_at" timestamp(6) with time zone;