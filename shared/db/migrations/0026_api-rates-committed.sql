DELETE FROM "api_rates";--> statement-breakpoint
ALTER TABLE "api_rates" ADD COLUMN "committed" integer NOT NULL;