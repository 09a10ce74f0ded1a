ALTER TABLE "people" DROP CONSTRAINT "people_issuer_subject";--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "sign_in" jsonb;--> statement-breakpoint
ALTER TABLE "people" ADD CONSTRAINT "people_issuer_subject" UNIQUE NULLS NOT DISTINCT("issuer","subject","tenant_id");