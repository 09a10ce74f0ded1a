DROP INDEX "people_email";--> statement-breakpoint
CREATE UNIQUE INDEX "people_email" ON "people" USING btree ("email","tenant_id") WHERE "people"."issuer" IS NULL;