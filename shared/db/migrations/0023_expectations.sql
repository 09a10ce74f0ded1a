CREATE TABLE "calendars" (
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"version" integer NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"removed_at" timestamp(6) with time zone,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "calendars_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "expectations" (
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"version" integer NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"removed_at" timestamp(6) with time zone,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"planned_until" timestamp(6) with time zone,
	"planned_from" text,
	CONSTRAINT "expectations_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "expected_occurrences" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"tenant_id" text NOT NULL,
	"expectation" text NOT NULL,
	"opens_at" timestamp(6) with time zone NOT NULL,
	"due_at" timestamp(6) with time zone NOT NULL,
	"closes_at" timestamp(6) with time zone NOT NULL,
	"state" text DEFAULT 'PENDING' NOT NULL,
	"next_look_at" timestamp(6) with time zone,
	"looked_until" timestamp(6) with time zone,
	"at_risk_at" timestamp(6) with time zone,
	"met_at" timestamp(6) with time zone,
	"file_ids" uuid[] DEFAULT '{}' NOT NULL,
	"oddities" text[] DEFAULT '{}' NOT NULL,
	"note" text,
	"noted_by" text,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "expected_occurrences_state" CHECK (state IN ('PENDING', 'OPEN', 'MET', 'LATE', 'MET_LATE', 'MISSED', 'EXCUSED'))
);
--> statement-breakpoint
ALTER TABLE "calendars" ADD CONSTRAINT "calendars_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "expectations" ADD CONSTRAINT "expectations_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "expected_occurrences" ADD CONSTRAINT "expected_occurrences_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "expected_occurrences_due" ON "expected_occurrences" USING btree ("tenant_id","expectation","due_at");--> statement-breakpoint
CREATE INDEX "expected_occurrences_look" ON "expected_occurrences" USING btree ("next_look_at") WHERE next_look_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "expected_occurrences_tenant" ON "expected_occurrences" USING btree ("tenant_id","due_at");--> statement-breakpoint
CREATE INDEX "expected_occurrences_at" ON "expected_occurrences" USING btree ("due_at");