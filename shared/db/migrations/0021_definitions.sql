-- Counted anew within seconds, so a crash may take it.
CREATE UNLOGGED TABLE "api_rates" (
	"slot" bigint NOT NULL,
	"customer" text NOT NULL,
	"process" uuid NOT NULL,
	"requests" integer NOT NULL,
	CONSTRAINT "api_rates_slot_customer_process_pk" PRIMARY KEY("slot","customer","process")
);
--> statement-breakpoint
CREATE TABLE "definition_versions" (
	"kind" text NOT NULL,
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"version" integer NOT NULL,
	"definition" jsonb NOT NULL,
	"definition_hash" text NOT NULL,
	"source" text,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "definition_versions_tenant_id_kind_name_version_pk" PRIMARY KEY("tenant_id","kind","name","version")
);
--> statement-breakpoint
CREATE TABLE "sftp_user_keys" (
	"username" text NOT NULL,
	"public_key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"label" text NOT NULL,
	"valid_from" timestamp(6) with time zone,
	"valid_until" timestamp(6) with time zone,
	"is_declared" boolean DEFAULT false NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"revoked_at" timestamp(6) with time zone,
	CONSTRAINT "sftp_user_keys_username_fingerprint_pk" PRIMARY KEY("username","fingerprint")
);
--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "revision" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "removed_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "route_versions" ADD COLUMN "source" text;--> statement-breakpoint
ALTER TABLE "routes" ADD COLUMN "revision" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "routes" ADD COLUMN "removed_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "stores" ADD COLUMN "revision" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "stores" ADD COLUMN "removed_at" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "definition_versions" ADD CONSTRAINT "definition_versions_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sftp_user_keys" ADD CONSTRAINT "sftp_user_keys_username_sftp_users_username_fk" FOREIGN KEY ("username") REFERENCES "public"."sftp_users"("username") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
INSERT INTO "definition_versions" ("kind", "tenant_id", "name", "version", "definition", "definition_hash", "created_by", "created_at")
SELECT 'partner', "tenant_id", "name", "version", "definition", "definition_hash", "created_by", "updated_at" FROM "partners"
UNION ALL
SELECT 'store', "tenant_id", "name", "version", "definition", "definition_hash", "created_by", "updated_at" FROM "stores";
