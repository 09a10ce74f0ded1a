CREATE TABLE "delivery_places" (
	"id" text PRIMARY KEY NOT NULL,
	"file_id" uuid,
	"uploaded_at" timestamp(6) with time zone,
	"sequencer" text,
	"order_seq" bigint,
	"holder" uuid
);
--> statement-breakpoint
ALTER TABLE "files" ADD COLUMN "sequencer" text;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "shares_place" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "files_open_key" ON "files" USING btree ("bucket","key") WHERE status = 'PROCESSING';