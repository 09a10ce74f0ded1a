CREATE TABLE "audit_heads" (
	"tenant_id" text PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL,
	"hash" bytea NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_sealing" (
	"is_only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"written" xid8 NOT NULL,
	"id" uuid NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_seals" (
	"event_at" timestamp(6) with time zone NOT NULL,
	"event_id" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"seq" bigint NOT NULL,
	"previous" bytea NOT NULL,
	"hash" bytea NOT NULL,
	"sealed_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_seals_event_at_event_id_pk" PRIMARY KEY("event_at","event_id")
) PARTITION BY RANGE ("event_at");
--> statement-breakpoint
CREATE TABLE "audit_seals_default" PARTITION OF "audit_seals" DEFAULT;
--> statement-breakpoint
INSERT INTO "audit_sealing" ("written", "id") VALUES ('0', '00000000-0000-0000-0000-000000000000');
--> statement-breakpoint
-- The default is not volatile, so no row is written again: those that are there carry the transaction of this migration.
ALTER TABLE "audit_events" ADD COLUMN "written" xid8 DEFAULT pg_current_xact_id() NOT NULL;--> statement-breakpoint
CREATE INDEX "audit_seals_tenant" ON "audit_seals" USING btree ("tenant_id","seq");--> statement-breakpoint
CREATE INDEX "audit_events_tenant" ON "audit_events" USING btree ("tenant_id","at","id");--> statement-breakpoint
CREATE INDEX "audit_events_person" ON "audit_events" USING btree ("actor","at","id") WHERE strpos(actor, ':') > 0;--> statement-breakpoint
CREATE INDEX "audit_events_written" ON "audit_events" USING btree ("written","id");