CREATE TABLE "mail_accounts" (
	"name" text PRIMARY KEY NOT NULL,
	"max_per_second" double precision,
	"max_per_day" double precision,
	"sent_last_day" double precision,
	"asked_at" timestamp(6) with time zone,
	"rate_given_until" timestamp(6) with time zone,
	"marketing_given_until" timestamp(6) with time zone
);
--> statement-breakpoint
ALTER TABLE "suppressions" DROP CONSTRAINT "suppressions_reason";--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "calendar" text;--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "local_start" text;--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "is_recipient_zone" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "hold_over" integer;--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "is_tracked" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "channel" text;--> statement-breakpoint
ALTER TABLE "campaigns" ADD COLUMN "announced" text DEFAULT 'CREATED' NOT NULL;--> statement-breakpoint
ALTER TABLE "mail_events" ADD COLUMN "address_hash" text;--> statement-breakpoint
ALTER TABLE "senders" ADD COLUMN "pace" double precision DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "senders" ADD COLUMN "slowed_until" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "senders" ADD COLUMN "quota_until" timestamp(6) with time zone;--> statement-breakpoint
CREATE INDEX "campaigns_announced" ON "campaigns" USING btree ("id") WHERE begun_at IS NOT NULL AND announced <> 'DONE';--> statement-breakpoint
CREATE INDEX "mail_events_causes" ON "mail_events" USING btree ("campaign_id","kind") WHERE kind IN ('bounced_hard', 'bounced_soft', 'clicked');--> statement-breakpoint
CREATE INDEX "mail_events_soft" ON "mail_events" USING btree ("tenant_id","address_hash") WHERE kind = 'bounced_soft';--> statement-breakpoint
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_announced" CHECK (announced IN ('CREATED', 'STARTED', 'SENT', 'DONE'));--> statement-breakpoint
ALTER TABLE "suppressions" ADD CONSTRAINT "suppressions_reason" CHECK (reason IN ('unsubscribed', 'complaint', 'hard-bounce', 'soft-bounces', 'imported', 'operator'));