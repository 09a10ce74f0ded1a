DROP INDEX "notices_due";--> statement-breakpoint
CREATE INDEX "notices_due_of_channel" ON "notices" USING btree ("tenant_id","route","channel","next_action_at","event_id") WHERE delivery_id = event_id AND state = 'PENDING';--> statement-breakpoint
CREATE INDEX "notices_digest_due" ON "notices" USING btree ("tenant_id","route","channel","next_action_at") WHERE delivery_id IS NULL;--> statement-breakpoint
-- Those that only a count closes were looked at no more: whether their route still gathers files is seen by looking.
UPDATE "batches" SET "look_at" = now() WHERE "state" = 'OPEN' AND "look_at" = 'infinity';
