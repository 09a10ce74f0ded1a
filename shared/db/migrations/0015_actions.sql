CREATE TABLE "action_items" (
	"action_id" uuid NOT NULL,
	"subject" uuid NOT NULL,
	"state" text DEFAULT 'OPEN' NOT NULL,
	"code" text,
	CONSTRAINT "action_items_action_id_subject_pk" PRIMARY KEY("action_id","subject"),
	CONSTRAINT "action_items_state" CHECK (state IN ('OPEN', 'DONE', 'REFUSED'))
);
--> statement-breakpoint
CREATE TABLE "actions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"verb" text NOT NULL,
	"state" text NOT NULL,
	"tenant_id" text,
	"filter" jsonb NOT NULL,
	"preview" jsonb NOT NULL,
	"actor" text NOT NULL,
	"reason" text,
	"approved_by" text,
	"rate_per_second" double precision,
	"canary" integer,
	"stop_at_percent" double precision,
	"takes" integer NOT NULL,
	"done" integer DEFAULT 0 NOT NULL,
	"refused" integer DEFAULT 0 NOT NULL,
	"pause_reason" text,
	"judged_from" uuid,
	"expires_at" timestamp(6) with time zone,
	"next_action_at" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp(6) with time zone,
	"finished_at" timestamp(6) with time zone,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "actions_verb" CHECK (verb IN ('retry', 'cancel', 'release', 'reject', 'skip', 'reroute', 'redrive', 'discard', 'resend')),
	CONSTRAINT "actions_state" CHECK (state IN ('PREVIEWED', 'AWAITING_APPROVAL', 'RUNNING', 'PAUSED', 'DONE', 'ABORTED')),
	CONSTRAINT "actions_counts" CHECK (done + refused <= takes)
);
--> statement-breakpoint
ALTER TABLE "jobs" DROP CONSTRAINT "jobs_file_route";--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "run" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "superseded_by" uuid;--> statement-breakpoint
ALTER TABLE "actions" ADD CONSTRAINT "actions_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "action_items_open" ON "action_items" USING btree ("action_id","subject") WHERE state = 'OPEN';--> statement-breakpoint
CREATE INDEX "action_items_refused" ON "action_items" USING btree ("action_id","subject") WHERE state = 'REFUSED';--> statement-breakpoint
CREATE INDEX "actions_due" ON "actions" USING btree ("next_action_at") WHERE state = 'RUNNING';--> statement-breakpoint
CREATE INDEX "actions_expiring" ON "actions" USING btree ("expires_at") WHERE state IN ('PREVIEWED', 'AWAITING_APPROVAL');--> statement-breakpoint
CREATE INDEX "actions_tenant" ON "actions" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "actions_finished" ON "actions" USING btree ("finished_at") WHERE finished_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_file_route" UNIQUE("file_id","route_id","run");