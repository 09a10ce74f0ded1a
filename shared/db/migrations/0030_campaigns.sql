CREATE TABLE "campaign_stats" (
	"campaign_id" uuid NOT NULL,
	"hour" timestamp(6) with time zone NOT NULL,
	"kind" text NOT NULL,
	"domain" text NOT NULL,
	"n" bigint NOT NULL,
	CONSTRAINT "campaign_stats_campaign_id_hour_kind_domain_pk" PRIMARY KEY("campaign_id","hour","kind","domain")
);
--> statement-breakpoint
CREATE TABLE "campaigns" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"route_id" uuid NOT NULL,
	"route_version_id" uuid NOT NULL,
	"template_id" text NOT NULL,
	"template_version" integer NOT NULL,
	"sender" text NOT NULL,
	"topic" text NOT NULL,
	"is_marketing" boolean NOT NULL,
	"file_ref" uuid NOT NULL,
	"word" text DEFAULT 'GO' NOT NULL,
	"held_reason" text,
	"defaults" jsonb DEFAULT '{}' NOT NULL,
	"starts_at" timestamp(6) with time zone,
	"send_window" jsonb,
	"rate_per_second" double precision,
	"rate_given_until" timestamp(6) with time zone,
	"idempotency_key" text,
	"request_hash" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"begun_at" timestamp(6) with time zone,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "campaigns_word" CHECK (word IN ('GO', 'PAUSED', 'HELD', 'CANCELLED'))
);
--> statement-breakpoint
CREATE TABLE "mail_events" (
	"campaign_id" uuid NOT NULL,
	"line" bigint NOT NULL,
	"kind" text NOT NULL,
	"event_key" text DEFAULT '' NOT NULL,
	"tenant_id" text NOT NULL,
	"message_id" text,
	"at" timestamp(6) with time zone NOT NULL,
	"detail" jsonb DEFAULT '{}' NOT NULL,
	"received_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "mail_events_campaign_id_line_kind_event_key_pk" PRIMARY KEY("campaign_id","line","kind","event_key")
);
--> statement-breakpoint
CREATE TABLE "senders" (
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
	"rate_given_until" timestamp(6) with time zone,
	"given_on" date,
	"given" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "senders_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "suppressions" (
	"tenant_id" text NOT NULL,
	"topic" text NOT NULL,
	"address_hash" text NOT NULL,
	"address" text,
	"reason" text NOT NULL,
	"origin" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(6) with time zone,
	CONSTRAINT "suppressions_tenant_id_address_hash_topic_pk" PRIMARY KEY("tenant_id","address_hash","topic"),
	CONSTRAINT "suppressions_reason" CHECK (reason IN ('unsubscribed', 'complaint', 'hard-bounce', 'imported', 'operator'))
);
--> statement-breakpoint
CREATE TABLE "templates" (
	"tenant_id" text NOT NULL,
	"id" text NOT NULL,
	"version" integer NOT NULL,
	"format" text NOT NULL,
	"topic" text NOT NULL,
	"status" text DEFAULT 'AWAITING_UPLOAD' NOT NULL,
	"key" text NOT NULL,
	"sha256" text,
	"size_bytes" integer,
	"subject" text,
	"html" text,
	"text" text,
	"variables" text[] DEFAULT '{}' NOT NULL,
	"warnings" text[] DEFAULT '{}' NOT NULL,
	"faults" jsonb DEFAULT '[]' NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL,
	"checked_at" timestamp(6) with time zone,
	CONSTRAINT "templates_tenant_id_id_version_pk" PRIMARY KEY("tenant_id","id","version"),
	CONSTRAINT "templates_status" CHECK (status IN ('AWAITING_UPLOAD', 'READY', 'INVALID', 'EXPIRED')),
	CONSTRAINT "templates_format" CHECK (format IN ('html', 'mjml', 'json'))
);
--> statement-breakpoint
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "senders" ADD CONSTRAINT "senders_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suppressions" ADD CONSTRAINT "suppressions_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "templates" ADD CONSTRAINT "templates_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "campaigns_idempotency_key" ON "campaigns" USING btree ("tenant_id","idempotency_key") WHERE idempotency_key IS NOT NULL;--> statement-breakpoint
CREATE INDEX "campaigns_tenant" ON "campaigns" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "campaigns_waiting" ON "campaigns" USING btree ("id") WHERE begun_at IS NULL AND word <> 'CANCELLED';--> statement-breakpoint
CREATE INDEX "mail_events_received" ON "mail_events" USING btree ("received_at");