ALTER TABLE "senders" ADD COLUMN "turn_given_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "senders" ADD COLUMN "turn_wanted_until" timestamp(6) with time zone;--> statement-breakpoint
CREATE INDEX "senders_turns" ON "senders" USING btree ("turn_wanted_until") WHERE turn_wanted_until IS NOT NULL;