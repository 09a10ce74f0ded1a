CREATE TABLE "databases" (
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"version" integer NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "databases_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "effects" (
	"id" uuid DEFAULT uuid_v7() NOT NULL,
	"job_id" uuid NOT NULL,
	"step_seq" integer NOT NULL,
	"part" integer NOT NULL,
	"tenant_id" text NOT NULL,
	"key" text NOT NULL,
	"kind" text NOT NULL,
	"stage" text NOT NULL,
	"facts" jsonb NOT NULL,
	"epoch" integer NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "effects_job_id_step_seq_part_pk" PRIMARY KEY("job_id","step_seq","part"),
	CONSTRAINT "effects_id" UNIQUE("id"),
	CONSTRAINT "effects_stage" CHECK (stage IN ('PREPARING', 'PREPARED', 'COMMITTING', 'DONE', 'UNKNOWN'))
);
--> statement-breakpoint
CREATE TABLE "receipts" (
	"tenant_id" text NOT NULL,
	"seq" bigint NOT NULL,
	"file_id" uuid NOT NULL,
	"job_id" uuid NOT NULL,
	"step_seq" integer NOT NULL,
	"jws" text NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "receipts_tenant_id_seq_pk" PRIMARY KEY("tenant_id","seq"),
	CONSTRAINT "receipts_step" UNIQUE("job_id","step_seq")
);
--> statement-breakpoint
ALTER TABLE "databases" ADD CONSTRAINT "databases_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "effects_open" ON "effects" USING btree ("kind","stage") WHERE stage <> 'DONE';--> statement-breakpoint
CREATE INDEX "effects_open_tenant" ON "effects" USING btree ("tenant_id","id") WHERE stage <> 'DONE';--> statement-breakpoint
CREATE INDEX "effects_tenant" ON "effects" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "receipts_file" ON "receipts" USING btree ("file_id","seq");