ALTER TABLE "partners" ADD COLUMN "paused_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "paused_by" text;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "paused_reason" text;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "breaker_opened_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "breaker_open_until" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "breaker_opened_by" text;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "breaker_reason" text;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "control_revision" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "trials" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "tested_at" timestamp(6) with time zone;--> statement-breakpoint
CREATE INDEX "partners_held" ON "partners" USING btree ("tenant_id") WHERE paused_at IS NOT NULL OR breaker_opened_at IS NOT NULL;