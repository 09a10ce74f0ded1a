CREATE TABLE "partner_breakers" (
	"tenant_id" text NOT NULL,
	"partner" text NOT NULL,
	"worker" text NOT NULL,
	"open_until" timestamp(6) with time zone,
	"since" timestamp(6) with time zone NOT NULL,
	"reported_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "partner_breakers_tenant_id_partner_worker_pk" PRIMARY KEY("tenant_id","partner","worker")
);
--> statement-breakpoint
CREATE TABLE "partner_minutes" (
	"tenant_id" text NOT NULL,
	"partner" text NOT NULL,
	"minute" timestamp(6) with time zone NOT NULL,
	"outcome" text NOT NULL,
	"http_status" smallint NOT NULL,
	"cause" text NOT NULL,
	"calls" bigint NOT NULL,
	"durations" bigint[] NOT NULL,
	CONSTRAINT "partner_minutes_key" PRIMARY KEY("tenant_id","partner","minute","outcome","http_status","cause")
) PARTITION BY RANGE ("minute");
--> statement-breakpoint
CREATE TABLE "partner_minutes_default" PARTITION OF "partner_minutes" DEFAULT;
--> statement-breakpoint
CREATE INDEX "partner_breakers_reported" ON "partner_breakers" USING btree ("reported_at");--> statement-breakpoint
CREATE INDEX "partners_name" ON "partners" USING btree ("name" text_pattern_ops);--> statement-breakpoint
CREATE INDEX "record_attempts_started" ON "record_attempts" USING brin ("started_at") WITH (autosummarize=true,pages_per_range=32);--> statement-breakpoint
CREATE INDEX "routes_name" ON "routes" USING btree ("name" text_pattern_ops);--> statement-breakpoint
ALTER TABLE "files" ALTER COLUMN "key" SET DATA TYPE text COLLATE "C";
