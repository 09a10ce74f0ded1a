CREATE TABLE "partners" (
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"version" integer NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"rate_given_until" timestamp(6) with time zone,
	CONSTRAINT "partners_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "record_attempts" (
	"job_id" uuid NOT NULL,
	"line" bigint NOT NULL,
	"started_at" timestamp(6) with time zone NOT NULL,
	"tenant_id" text NOT NULL,
	"generation" integer NOT NULL,
	"step" smallint NOT NULL,
	"step_name" text NOT NULL,
	"attempt" smallint NOT NULL,
	"outcome" text NOT NULL,
	"http_status" smallint,
	"code" text,
	"cause" text,
	"message" text,
	"request_id" uuid NOT NULL,
	"worker" text NOT NULL,
	"duration_ms" integer NOT NULL,
	CONSTRAINT "record_attempts_job_id_line_started_at_request_id_pk" PRIMARY KEY("job_id","line","started_at","request_id")
) PARTITION BY RANGE ("started_at");
--> statement-breakpoint
CREATE TABLE "record_attempts_default" PARTITION OF "record_attempts" DEFAULT;
--> statement-breakpoint
CREATE TABLE "record_chunks" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"job_id" uuid NOT NULL,
	"lines" bigint[] NOT NULL,
	"woken_at" timestamp(6) with time zone,
	"wakes" integer DEFAULT 0 NOT NULL,
	"next_action_at" timestamp(6) with time zone,
	"epoch" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp(6) with time zone,
	"claim_token" uuid,
	"worker" text,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "record_keys" (
	"tenant_id" text NOT NULL,
	"route_id" uuid NOT NULL,
	"business_key" text NOT NULL,
	"job_id" uuid NOT NULL,
	"line" bigint NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "record_keys_tenant_id_route_id_business_key_pk" PRIMARY KEY("tenant_id","route_id","business_key")
);
--> statement-breakpoint
CREATE TABLE "records" (
	"job_id" uuid NOT NULL,
	"line" bigint NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"tenant_id" text NOT NULL,
	"chunk_id" uuid,
	"state" text NOT NULL,
	"step" smallint DEFAULT 0 NOT NULL,
	"tries" smallint DEFAULT 0 NOT NULL,
	"has_intent" boolean DEFAULT false NOT NULL,
	"key_generation" smallint DEFAULT 0 NOT NULL,
	"business_key" text,
	"values" jsonb,
	"replies" jsonb,
	"reference" text,
	"error_code" text,
	"error_cause" text,
	"error_message" text,
	"next_attempt_at" timestamp(6) with time zone,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "records_job_id_line_created_at_pk" PRIMARY KEY("job_id","line","created_at"),
	CONSTRAINT "records_state" CHECK (state IN ('PENDING', 'RUNNING', 'SUCCESS', 'FAILED', 'AMBIGUOUS', 'REJECTED'))
) PARTITION BY RANGE ("created_at");
--> statement-breakpoint
CREATE TABLE "records_default" PARTITION OF "records" DEFAULT;
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "open_records" integer;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "record_summary" jsonb;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "released_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "partners" ADD CONSTRAINT "partners_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "record_chunks_job" ON "record_chunks" USING btree ("job_id","id");--> statement-breakpoint
CREATE INDEX "record_chunks_standing" ON "record_chunks" USING btree ("tenant_id","woken_at");--> statement-breakpoint
CREATE INDEX "record_keys_created" ON "record_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "records_due" ON "records" USING btree ("next_attempt_at") WHERE next_attempt_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "records_code" ON "records" USING btree ("job_id","error_code","line") WHERE error_code IS NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_open_records" CHECK (open_records >= 0);