CREATE TABLE "upload_links" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"token_hash" text NOT NULL,
	"directory" text NOT NULL,
	"reason" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "upload_links_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"bucket" text NOT NULL,
	"key" text NOT NULL,
	"size_bytes" bigint,
	"content_type" text,
	"source" text NOT NULL,
	"uploaded_by" text NOT NULL,
	"link_id" uuid,
	"state" text NOT NULL,
	"part_bytes" bigint,
	"is_checked" boolean DEFAULT false NOT NULL,
	"store_upload_id" text,
	"idempotency_key" text,
	"request_hash" text,
	"version_id" text,
	"error_code" text,
	"lease_until" timestamp(6) with time zone,
	"epoch" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL,
	"finished_at" timestamp(6) with time zone,
	CONSTRAINT "uploads_state" CHECK (state IN ('OPEN', 'COMPLETING', 'COMPLETED', 'ABORTED')),
	CONSTRAINT "uploads_source" CHECK (source IN ('portal', 'http', 'link'))
);
--> statement-breakpoint
ALTER TABLE "upload_links" ADD CONSTRAINT "upload_links_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_link_id_upload_links_id_fk" FOREIGN KEY ("link_id") REFERENCES "public"."upload_links"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "upload_links_expires" ON "upload_links" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "uploads_idempotency_key" ON "uploads" USING btree ("tenant_id","idempotency_key") WHERE idempotency_key IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "uploads_link" ON "uploads" USING btree ("link_id") WHERE link_id IS NOT NULL AND state <> 'ABORTED';--> statement-breakpoint
CREATE INDEX "uploads_open" ON "uploads" USING btree ("expires_at") WHERE state IN ('OPEN', 'COMPLETING');--> statement-breakpoint
CREATE INDEX "uploads_finished" ON "uploads" USING btree ("finished_at") WHERE finished_at IS NOT NULL;