DROP INDEX "outbox_created";--> statement-breakpoint
CREATE INDEX "outbox_channels" ON "outbox" USING btree ("created_at") WHERE topic = 'channels';--> statement-breakpoint
CREATE INDEX "outbox_topics" ON "outbox" USING btree ("created_at") WHERE topic <> 'channels';