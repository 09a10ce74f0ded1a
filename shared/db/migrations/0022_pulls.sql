CREATE TABLE "pulls" (
	"id" uuid PRIMARY KEY DEFAULT uuid_v7() NOT NULL,
	"tenant_id" text NOT NULL,
	"source" text,
	"project" text NOT NULL,
	"pipeline" text DEFAULT '' NOT NULL,
	"remote" text NOT NULL,
	"remote_path" text NOT NULL,
	"file_name" text GENERATED ALWAYS AS (substring(remote_path FROM '[^/]*$')) STORED NOT NULL,
	"identity" jsonb,
	"identity_hash" text,
	"seen_at" timestamp(6) with time zone,
	"changed_at" timestamp(6) with time zone,
	"last_listed_at" timestamp(6) with time zone,
	"status" text DEFAULT 'TRIGGERED' NOT NULL,
	"transfer_stage" text DEFAULT 'WAITING' NOT NULL,
	"generation" integer DEFAULT 1 NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"max_attempts" integer DEFAULT 5 NOT NULL,
	"unsettled" integer DEFAULT 0 NOT NULL,
	"file_id" uuid,
	"bucket" text,
	"key" text,
	"version_id" text,
	"etag" text,
	"size_bytes" bigint,
	"sha256" text,
	"cleaned_at" timestamp(6) with time zone,
	"source_replaced" boolean DEFAULT false NOT NULL,
	"error_code" text,
	"error_cause" text,
	"error_message" text,
	"woken_at" timestamp(6) with time zone,
	"wakes" integer DEFAULT 0 NOT NULL,
	"next_action_at" timestamp(6) with time zone,
	"wait_reason" text,
	"epoch" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp(6) with time zone,
	"claim_token" uuid,
	"worker" text,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp(6) with time zone,
	"completed_at" timestamp(6) with time zone,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "pulls_status" CHECK (status IN ('SEEN', 'TRIGGERED', 'RUNNING', 'COMPLETED', 'ERROR', 'SKIPPED')),
	CONSTRAINT "pulls_transfer_stage" CHECK (transfer_stage IN ('WAITING', 'CONNECTING', 'DOWNLOADING', 'VERIFYING', 'LANDED', 'CLEANING', 'DONE'))
);
--> statement-breakpoint
CREATE TABLE "remote_connections" (
	"tenant_id" text NOT NULL,
	"remote" text NOT NULL,
	"slot" integer NOT NULL,
	"token" uuid NOT NULL,
	"worker" text NOT NULL,
	"lease_until" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "remote_connections_tenant_id_remote_slot_pk" PRIMARY KEY("tenant_id","remote","slot")
);
--> statement-breakpoint
CREATE TABLE "remotes" (
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"version" integer NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"breaker_until" timestamp(6) with time zone,
	"breaker_secret" text,
	"connections_learned" integer,
	"connections_until" timestamp(6) with time zone,
	"error_code" text,
	"error_at" timestamp(6) with time zone,
	"connected_at" timestamp(6) with time zone,
	"fingerprint" text,
	"certificate_ends_at" timestamp(6) with time zone,
	CONSTRAINT "remotes_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "sources" (
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"version" integer NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"woken_at" timestamp(6) with time zone,
	"wakes" integer DEFAULT 0 NOT NULL,
	"next_action_at" timestamp(6) with time zone DEFAULT now(),
	"epoch" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp(6) with time zone,
	"claim_token" uuid,
	"worker" text,
	"listed_at" timestamp(6) with time zone,
	"listed_files" integer,
	"failures" integer DEFAULT 0 NOT NULL,
	"error_code" text,
	"error_message" text,
	CONSTRAINT "sources_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
ALTER TABLE "transfers" DROP CONSTRAINT "transfers_owner";--> statement-breakpoint
ALTER TABLE "transfers" DROP CONSTRAINT "transfers_plan";--> statement-breakpoint
ALTER TABLE "pulls" ADD CONSTRAINT "pulls_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "remotes" ADD CONSTRAINT "remotes_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sources" ADD CONSTRAINT "sources_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "pulls_identity" ON "pulls" USING btree ("tenant_id","remote","remote_path","identity_hash") WHERE source IS NOT NULL AND cleaned_at IS NULL AND status <> 'SKIPPED';--> statement-breakpoint
CREATE INDEX "pulls_entering" ON "pulls" USING btree ("tenant_id","remote","created_at") WHERE status = 'TRIGGERED' AND woken_at IS NULL;--> statement-breakpoint
CREATE INDEX "pulls_standing" ON "pulls" USING btree ("tenant_id","remote","woken_at") WHERE status = 'TRIGGERED' AND woken_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "pulls_running" ON "pulls" USING btree ("tenant_id","remote","lease_until") WHERE status = 'RUNNING';--> statement-breakpoint
CREATE INDEX "pulls_source_path" ON "pulls" USING btree ("tenant_id","remote","remote_path");--> statement-breakpoint
CREATE INDEX "pulls_tenant" ON "pulls" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "pulls_tenant_status" ON "pulls" USING btree ("tenant_id","status","id");--> statement-breakpoint
CREATE INDEX "pulls_status" ON "pulls" USING btree ("status","id");--> statement-breakpoint
CREATE INDEX "pulls_file" ON "pulls" USING btree ("file_id") WHERE file_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "pulls_listed" ON "pulls" USING btree ("last_listed_at") WHERE last_listed_at IS NOT NULL AND completed_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "remote_connections_token" ON "remote_connections" USING btree ("token");--> statement-breakpoint
CREATE INDEX "sources_due" ON "sources" USING btree ("next_action_at") WHERE next_action_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "sources_held" ON "sources" USING btree ("lease_until") WHERE lease_until IS NOT NULL;--> statement-breakpoint
ALTER TABLE "transfers" ADD CONSTRAINT "transfers_owner" CHECK (owner IN ('job', 'file', 'pull'));--> statement-breakpoint
ALTER TABLE "transfers" ADD CONSTRAINT "transfers_plan" CHECK (plan IN ('server-side', 'streamed', 'unknown-length', 'pulled'));